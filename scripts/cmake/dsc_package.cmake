# `cpack` in the build folder packs the installed tree, with all libraries inside: dscompress-VERSION-linux-PROCESSOR.tar.xz, which runs where
# it is unpacked, and dscompress_VERSION_ARCHITECTURE.deb, which puts the same tree below /usr/lib/dscompress. scripts/packaging/bundle
# makes and tries both.
execute_process(COMMAND getconf GNU_LIBC_VERSION OUTPUT_VARIABLE dsc_glibc OUTPUT_STRIP_TRAILING_WHITESPACE)
string(REGEX MATCH "[0-9.]+" dsc_glibc "${dsc_glibc}")
string(REGEX MATCH "^[0-9]+" dsc_gcc ${CMAKE_CXX_COMPILER_VERSION})

set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)  # the program is packed, not the tests
set(CPACK_GENERATOR TXZ DEB)
set(CPACK_PACKAGE_NAME dscompress)
set(CPACK_PACKAGE_VENDOR "dscompress")
set(CPACK_PACKAGE_CONTACT "The dscompress maintainers <maintainers@dscompress.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "compresses PyTorch models from the command line")
set(CPACK_PACKAGE_DESCRIPTION "Prunes, quantises, distils and fine-tunes exported PyTorch programs from one recipe file, and deploys them with OpenVINO. LibTorch and OpenVINO are inside.")
string(TOLOWER ${CMAKE_SYSTEM_NAME} dsc_system)
set(CPACK_PACKAGE_FILE_NAME dscompress-${PROJECT_VERSION}-${dsc_system}-${CMAKE_SYSTEM_PROCESSOR})
set(CPACK_PACKAGE_CHECKSUM SHA256)
set(CPACK_RESOURCE_FILE_LICENSE ${CMAKE_SOURCE_DIR}/LICENSE)
set(CPACK_DSCOMPRESS_LIBDIR ${CMAKE_INSTALL_LIBDIR})  # for package_layout.cmake
set(CPACK_THREADS 0)
set(CPACK_MONOLITHIC_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_COMPRESSION_TYPE zstd)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
# No dpkg-shlibdeps: it wants the packages of libraries that OpenVINO's plugins load only where there is such a device.
set(CPACK_DEBIAN_PACKAGE_DEPENDS "libc6 (>= ${dsc_glibc}), libstdc++6 (>= ${dsc_gcc}), libgcc-s1")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "dataset-fashion-mnist, python3")
set(CPACK_PROJECT_CONFIG_FILE ${CMAKE_CURRENT_LIST_DIR}/package_prefix.cmake)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_LIST_DIR}/package_layout.cmake)
include(CPack)
