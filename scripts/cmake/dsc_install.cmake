# A relocatable tree: bin, lib (LibTorch's and OpenVINO's libraries beside ours), headers and the CMake package that
# plugins use. The build folder holds the same package, so that plugins can be built against either.
include(GNUInstallDirs)
set_target_properties(dscompress PROPERTIES INSTALL_RPATH "$ORIGIN")
set_target_properties(dscompress_program PROPERTIES INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
install(TARGETS dscompress LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS dscompress_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/dscompress DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY ${CMAKE_SOURCE_DIR}/configs/ci DESTINATION ${CMAKE_INSTALL_DATADIR}/dscompress USE_SOURCE_PERMISSIONS)

get_filename_component(dsc_torch_libraries ${TORCH_INSTALL_PREFIX}/lib ABSOLUTE)
install(DIRECTORY ${dsc_torch_libraries}/ DESTINATION ${CMAKE_INSTALL_LIBDIR}
  FILES_MATCHING PATTERN "libtorch.so*" PATTERN "libtorch_cpu.so*" PATTERN "libc10.so*" PATTERN "libgomp*.so*" PATTERN "libshm.so*" PATTERN "libtorch_cuda*.so*" PATTERN "libc10_cuda.so*")
if(DSCOMPRESS_OPENVINO)
  get_filename_component(dsc_openvino_libraries ${OpenVINO_DIR}/../libs ABSOLUTE)
  install(DIRECTORY ${dsc_openvino_libraries}/ DESTINATION ${CMAKE_INSTALL_LIBDIR} FILES_MATCHING PATTERN "*.so*" PATTERN "cache.json")
  install(FILES ${DSC_TOKENIZERS_LIBRARY} DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()

set(dsc_config "# Made by dscompress's build. Gives the target dscompress::dscompress for plugins and embedding programs.
if(NOT TARGET dscompress::dscompress)
  add_library(dscompress::dscompress SHARED IMPORTED)
  set_target_properties(dscompress::dscompress PROPERTIES
    IMPORTED_LOCATION \"\${dscompress_library}\" INTERFACE_INCLUDE_DIRECTORIES \"\${dscompress_headers}\"
    INTERFACE_COMPILE_FEATURES cxx_std_20)
endif()
")
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/dscompressConfig.cmake @ONLY CONTENT
"set(dscompress_library \"${CMAKE_BINARY_DIR}/lib/libdscompress.so\")
set(dscompress_headers \"${CMAKE_SOURCE_DIR}/include\")
${dsc_config}")
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/install/dscompressConfig.cmake @ONLY CONTENT
"get_filename_component(dscompress_prefix \"\${CMAKE_CURRENT_LIST_DIR}/../../..\" ABSOLUTE)
set(dscompress_library \"\${dscompress_prefix}/${CMAKE_INSTALL_LIBDIR}/libdscompress.so\")
set(dscompress_headers \"\${dscompress_prefix}/${CMAKE_INSTALL_INCLUDEDIR}\")
${dsc_config}")
include(CMakePackageConfigHelpers)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/dscompressConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/install/dscompressConfig.cmake ${CMAKE_BINARY_DIR}/dscompressConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/dscompress)
