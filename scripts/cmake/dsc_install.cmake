# A relocatable tree: bin, lib, headers, recipes, scripts, and the CMake package that plugins use. The build folder holds the same
# package, so that plugins can be built against either. With DSCOMPRESS_BUNDLE, LibTorch's and OpenVINO's libraries lie beside ours
# (component `libraries`); without, as in a Python wheel (component `dscompress` alone), those of the wheels next to it are used.
include(GNUInstallDirs)
set(CMAKE_INSTALL_DEFAULT_COMPONENT_NAME dscompress)
set_target_properties(dscompress PROPERTIES INSTALL_RPATH "$ORIGIN:$ORIGIN/../../torch/lib:$ORIGIN/../../openvino/libs")
set_target_properties(dscompress_program PROPERTIES INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}:$ORIGIN/../../torch/lib")
install(TARGETS dscompress LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS dscompress_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/dscompress DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY ${CMAKE_SOURCE_DIR}/configs/ci DESTINATION ${CMAKE_INSTALL_DATADIR}/dscompress USE_SOURCE_PERMISSIONS)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/configs DESTINATION ${CMAKE_INSTALL_DATADIR}/dscompress PATTERN ci EXCLUDE PATTERN "*.png" EXCLUDE)
foreach(script export_model.py export_tokenizer.py export_onnx.py convert_weights.py outside_weights.py prepare_data.py quickstart_model.py)
  install(PROGRAMS ${CMAKE_SOURCE_DIR}/scripts/${script} DESTINATION ${CMAKE_INSTALL_DATADIR}/dscompress/scripts)
endforeach()

# Manual pages and completions are what the program itself prints.
if(NOT CMAKE_CROSSCOMPILING)
  install(CODE "set(program \"$<TARGET_FILE:dscompress_program>\")\nset(data \"${CMAKE_INSTALL_DATADIR}\")" COMPONENT dscompress)
  install(SCRIPT ${CMAKE_CURRENT_LIST_DIR}/install_pages.cmake COMPONENT dscompress)
endif()

if(DSCOMPRESS_BUNDLE)
  get_filename_component(dsc_torch_libraries ${TORCH_INSTALL_PREFIX}/lib ABSOLUTE)
  install(DIRECTORY ${dsc_torch_libraries}/ DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT libraries
    FILES_MATCHING PATTERN "libtorch.so*" PATTERN "libtorch_cpu.so*" PATTERN "libc10.so*" PATTERN "libgomp*.so*" PATTERN "libshm.so*" PATTERN "libtorch_cuda*.so*" PATTERN "libc10_cuda.so*")
  if(DSCOMPRESS_OPENVINO)
    get_filename_component(dsc_openvino_libraries ${OpenVINO_DIR}/../libs ABSOLUTE)
    install(DIRECTORY ${dsc_openvino_libraries}/ DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT libraries FILES_MATCHING PATTERN "*.so*" PATTERN "cache.json")
    install(FILES ${DSC_TOKENIZERS_LIBRARY} DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT libraries)
  endif()
  install(CODE "set(library \"$<TARGET_FILE:dscompress>\")\nset(destination \"${CMAKE_INSTALL_LIBDIR}\")" COMPONENT libraries)
  install(SCRIPT ${CMAKE_CURRENT_LIST_DIR}/install_system_libraries.cmake COMPONENT libraries)
  file(GLOB dsc_licences ${TORCH_INSTALL_PREFIX}/../torch-*.dist-info/licenses/LICENSE ${TORCH_INSTALL_PREFIX}/../torch-*.dist-info/licenses/NOTICE)
  install(FILES ${dsc_licences} DESTINATION ${CMAKE_INSTALL_DATADIR}/dscompress/licences/torch COMPONENT libraries)
  file(GLOB dsc_licences ${TORCH_INSTALL_PREFIX}/../openvino-*.dist-info/licenses/LICENSE)
  install(FILES ${dsc_licences} DESTINATION ${CMAKE_INSTALL_DATADIR}/dscompress/licences/openvino COMPONENT libraries)
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
