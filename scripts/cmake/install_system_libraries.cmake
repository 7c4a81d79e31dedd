# Run at installation of a bundle, with `library` and `destination`: what the distribution provides (images, YAML, SQLite) comes along, so
# that the tree runs on others. The C and C++ run-time libraries stay those of the machine, as in manylinux wheels.
file(GET_RUNTIME_DEPENDENCIES LIBRARIES ${library} RESOLVED_DEPENDENCIES_VAR found UNRESOLVED_DEPENDENCIES_VAR missing
  PRE_EXCLUDE_REGEXES "^ld-linux" "^lib(c|m|dl|rt|pthread|gcc_s)\\.so" "^libstdc\\+\\+\\.so" "^libtorch" "^libc10" "^libopenvino")
if(missing)
  message(FATAL_ERROR "libraries that are not there: ${missing}")
endif()
foreach(file IN LISTS found)
  file(INSTALL DESTINATION "${CMAKE_INSTALL_PREFIX}/${destination}" TYPE SHARED_LIBRARY FOLLOW_SYMLINK_CHAIN FILES ${file})
endforeach()
