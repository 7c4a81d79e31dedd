# ctest -C single: every test of every program by itself, so that `ctest --test-dir build -C single -R PairSums` runs what its name
# says. Without -C single ctest runs whole programs, which load LibTorch and OpenVINO once each instead of once a test.
# ctest reads this file; DSC_TEST_PROGRAMS is set by the file that includes it.
if(NOT CTEST_CONFIGURATION_TYPE STREQUAL "single")
  return()
endif()
foreach(program IN LISTS DSC_TEST_PROGRAMS)
  if(NOT EXISTS ${program})
    continue()  # not built
  endif()
  execute_process(COMMAND ${program} --gtest_list_tests OUTPUT_VARIABLE listed RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${program} --gtest_list_tests failed: ${status}")
  endif()
  string(REGEX REPLACE ";" "," listed "${listed}")
  string(REPLACE "\n" ";" lines "${listed}")
  set(suite "")
  foreach(line IN LISTS lines)
    string(REGEX REPLACE "[ ]*#.*$" "" line "${line}")  # of parameters
    if(line MATCHES "^[^ ].*\\.$")
      set(suite "${line}")
    elseif(line MATCHES "^  ([^ ]+)$")
      add_test("${suite}${CMAKE_MATCH_1}" ${program} --gtest_brief=1 "--gtest_filter=${suite}${CMAKE_MATCH_1}")
      set_tests_properties("${suite}${CMAKE_MATCH_1}" PROPERTIES ENVIRONMENT OMP_NUM_THREADS=1)
    endif()
  endforeach()
endforeach()
