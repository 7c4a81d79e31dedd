# One static library per layer, one shared library out of all of them, one test program per layer.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2")

add_library(dsc_options INTERFACE)
target_include_directories(dsc_options INTERFACE
  $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include> $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/src>)
target_compile_options(dsc_options INTERFACE -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers -fpch-preprocess
  $<$<BOOL:${DSCOMPRESS_WERROR}>:-Werror>)
if(DSCOMPRESS_SANITIZE)
  # In the layers, not in their tests (DSC_IS_TEST), and unoptimised: optimising the checks takes longer than all else together.
  target_compile_options(dsc_options INTERFACE
    "$<$<NOT:$<BOOL:$<TARGET_PROPERTY:DSC_IS_TEST>>>:-fsanitize=${DSCOMPRESS_SANITIZE};-fno-omit-frame-pointer;-O0;-g1>")
  target_link_options(dsc_options INTERFACE -fsanitize=${DSCOMPRESS_SANITIZE})
endif()

# LibTorch without the -D and include noise that only its own sources need.
add_library(dsc_torch INTERFACE)
target_include_directories(dsc_torch SYSTEM INTERFACE ${TORCH_INCLUDE_DIRS})
target_link_libraries(dsc_torch INTERFACE ${TORCH_LIBRARIES})

# Four fifths of a small source's time go into templates that its headers use, so several share them. Kernels stay alone, for what the
# optimiser makes of them must not depend on their neighbours; so do passes, each with its own `run` and `check`, and what includes headers that
# others cannot bear. All other names in a layer's anonymous namespaces differ.
function(dsc_join target)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ${DSCOMPRESS_JOINED} UNITY_BUILD_BATCH_SIZE 8)
  get_target_property(sources ${target} SOURCES)
  foreach(source IN LISTS sources)
    cmake_path(RELATIVE_PATH source BASE_DIRECTORY ${CMAKE_SOURCE_DIR}/src OUTPUT_VARIABLE path)
    if(path MATCHES "_kernels.cpp$" OR path IN_LIST dsc_pass_sources OR path IN_LIST dsc_lone_sources)
      set_source_files_properties(${source} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
    endif()
  endforeach()
endfunction()
set(dsc_lone_sources core/log.cpp serve/http.cpp parallel/gloo_ranks.cpp io/torchscript_read.cpp report/markdown.cpp)

# dsc_layer(NAME [TORCH] [GLUE] DEPENDS layer... LINK libraries... EXCLUDE files...)
# Every .cpp below src/NAME. With TORCH the layer may include ATen headers, and shares one precompiled header. GLUE computes nothing
# itself: it is compiled with less optimisation, which saves a fifth of its time.
function(dsc_layer name)
  cmake_parse_arguments(arg "TORCH;GLUE" "" "DEPENDS;LINK;EXCLUDE" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.cpp)
  foreach(file IN LISTS arg_EXCLUDE)
    list(REMOVE_ITEM sources ${CMAKE_SOURCE_DIR}/src/${name}/${file})
  endforeach()
  if(NOT sources)  # nothing yet
    set(sources ${CMAKE_BINARY_DIR}/empty.cpp)
    file(TOUCH ${sources})
  endif()
  add_library(dsc_${name} STATIC ${sources})
  target_link_libraries(dsc_${name} PUBLIC dsc_options PRIVATE nlohmann_json::nlohmann_json ${arg_LINK})
  foreach(layer IN LISTS arg_DEPENDS)
    target_link_libraries(dsc_${name} PUBLIC dsc_${layer})
  endforeach()
  if(arg_GLUE)
    target_compile_options(dsc_${name} PRIVATE -O1)
  endif()
  if(arg_TORCH)
    target_link_libraries(dsc_${name} PUBLIC dsc_torch)
    target_precompile_headers(dsc_${name} REUSE_FROM dsc_pch_torch)
  else()
    target_precompile_headers(dsc_${name} REUSE_FROM dsc_pch_plain)
  endif()
  dsc_join(dsc_${name})
  set_property(GLOBAL APPEND PROPERTY DSC_LAYERS dsc_${name})
endfunction()

file(WRITE ${CMAKE_BINARY_DIR}/pch.cpp.in "")
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/pch_plain.cpp CONTENT "")
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/pch_torch.cpp CONTENT "")
add_library(dsc_pch_plain STATIC ${CMAKE_BINARY_DIR}/pch_plain.cpp)
target_link_libraries(dsc_pch_plain PRIVATE dsc_options nlohmann_json::nlohmann_json)
target_precompile_headers(dsc_pch_plain PRIVATE ${CMAKE_SOURCE_DIR}/src/precompiled_plain.h)
add_library(dsc_pch_torch STATIC ${CMAKE_BINARY_DIR}/pch_torch.cpp)
target_link_libraries(dsc_pch_torch PRIVATE dsc_options nlohmann_json::nlohmann_json dsc_torch)
target_precompile_headers(dsc_pch_torch PRIVATE ${CMAKE_SOURCE_DIR}/src/precompiled_torch.h)

# dsc_test(NAME [SLOW] [DATA] DEPENDS layer...): one GoogleTest program from every .cpp below tests/NAME. Labels for ctest -L: fast or
# slow, and data where tests skip without $DSCOMPRESS_DATA.
function(dsc_test name)
  cmake_parse_arguments(arg "SLOW;DATA" "" "DEPENDS;LINK" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/${name}/*.cpp)
  if(NOT sources)
    return()
  endif()
  add_executable(test_${name} ${sources})
  # -fPIC instead of CMake's -fPIE, which would not fit the precompiled header.
  set_target_properties(test_${name} PROPERTIES POSITION_INDEPENDENT_CODE OFF DSC_IS_TEST ON)
  target_compile_options(test_${name} PRIVATE -fPIC -O1)  # compiles in two thirds of the time, and the layers do the work
  list(TRANSFORM arg_DEPENDS PREPEND dsc_)
  target_link_libraries(test_${name} PRIVATE ${arg_DEPENDS} ${arg_LINK} dsc_test_support dsc_torch nlohmann_json::nlohmann_json GTest::gtest GTest::gtest_main)
  target_include_directories(test_${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  target_compile_definitions(test_${name} PRIVATE DSC_SOURCE_DIR="${CMAKE_SOURCE_DIR}" DSC_BINARY_DIR="${CMAKE_BINARY_DIR}")
  target_precompile_headers(test_${name} REUSE_FROM dsc_pch_tests)
  dsc_join(test_${name})
  set(labels fast)
  if(arg_SLOW)
    set(labels slow)
  endif()
  if(arg_DATA)
    list(APPEND labels data)
  endif()
  add_test(NAME ${name} COMMAND test_${name} --gtest_brief=1)
  # One thread each: two programs run at a time, and small kernels gain nothing from more.
  set_tests_properties(${name} PROPERTIES ENVIRONMENT "OMP_NUM_THREADS=1" LABELS "${labels}")
  set_property(GLOBAL APPEND PROPERTY DSC_TESTS ${name})
endfunction()
