# One folder of src/ is one static library; its *_test.cpp files are one test program beside it.
#
#   nibble_module(NAME DEPENDS other modules... LIBRARIES third-party targets... TEST_DEPENDS ... TEST_SHARDS N)
#
# ctest runs a test program as one test, or as TEST_SHARDS of them: starting a process for each of 3,000 tests takes
# longer than the tests. `build/release/NAME_test --gtest_filter=...` runs some.
#
# Sources are found by pattern, so a new file needs no edit here. tools/check_includes.py holds the
# arrows between modules to the design.
# Every unit test program, for builds that need nothing else, and those of modules that use threads
# (the tsan preset names them again, for ctest).
add_custom_target(unit_tests)
add_custom_target(threaded_tests)
set(NIBBLE_THREADED_MODULES base runtime calibrate engine evaluate optimize serve)
# Those that the sanitizers' builds optimize, with their tests.
set(NIBBLE_HOT_MODULES tensor text kernels quantize runtime)

function(nibble_module name)
  cmake_parse_arguments(ARG "" "TEST_SHARDS" "DEPENDS;LIBRARIES;TEST_DEPENDS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cpp$")
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")

  set(deps ${ARG_DEPENDS})
  list(TRANSFORM deps PREPEND nibble_)
  if(sources)
    add_library(nibble_${name} STATIC ${sources})
    set(scope PUBLIC)
  else()
    add_library(nibble_${name} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_include_directories(nibble_${name} ${scope} ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(nibble_${name} ${scope} ${deps} ${ARG_LIBRARIES} Threads::Threads nibble_options)
  if(NIBBLE_SANITIZE AND name IN_LIST NIBBLE_HOT_MODULES)
    target_compile_options(nibble_${name} PRIVATE -O1)
  endif()

  if(NIBBLE_BUILD_TESTS AND tests)
    set(test_deps ${ARG_TEST_DEPENDS})
    list(TRANSFORM test_deps PREPEND nibble_)
    add_executable(${name}_test ${tests})
    add_dependencies(unit_tests ${name}_test)
    if(name IN_LIST NIBBLE_THREADED_MODULES)
      add_dependencies(threaded_tests ${name}_test)
    endif()
    target_link_libraries(${name}_test PRIVATE nibble_${name} ${test_deps} GTest::gmock GTest::gtest_main)
    if(NIBBLE_SANITIZE AND name IN_LIST NIBBLE_HOT_MODULES)
      target_compile_options(${name}_test PRIVATE -O1)
    endif()
    target_compile_definitions(${name}_test PRIVATE
      NIBBLE_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    set(shards 1)
    if(ARG_TEST_SHARDS)
      set(shards ${ARG_TEST_SHARDS})
    endif()
    foreach(shard RANGE 1 ${shards})
      math(EXPR index "${shard} - 1")
      add_test(NAME ${name}.${shard} COMMAND ${name}_test --gtest_brief=1)
      set_tests_properties(${name}.${shard} PROPERTIES LABELS unit
        ENVIRONMENT "GTEST_TOTAL_SHARDS=${shards};GTEST_SHARD_INDEX=${index}")
    endforeach()
  endif()
endfunction()

# Kernels for tests alone: their tiles have up to 3 tokens instead of up to 12 (tile_tokens in simd/unroll.h).
set(NIBBLE_SMALL_TILES -DNIBBLE_MOST_TILE_TOKENS=3)

# Compiles files of the calling directory with the instruction set they are written for. Only the
# files themselves get the flags: everything else starts on any x86-64.
function(nibble_isa_sources pattern)
  file(GLOB_RECURSE isa_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${pattern})
  set(flags ${ARGN})
  if(NIBBLE_SANITIZE)
    # A kernel's templates would take a quarter of an hour: checks are calls instead of code in place, tiles are
    # small and hardly optimized, and undefined behaviour, of which intrinsics have none, is left out.
    list(REMOVE_ITEM flags -O3)
    list(APPEND flags -O1 -fno-sanitize=undefined ${NIBBLE_SMALL_TILES})
    if(NIBBLE_SANITIZE MATCHES address)
      list(APPEND flags --param=asan-instrumentation-with-call-threshold=0)
    endif()
  endif()
  set_source_files_properties(${isa_sources} PROPERTIES COMPILE_OPTIONS "${flags}")
endfunction()
