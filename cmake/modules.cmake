# One folder of src/ is one static library; its *_test.cpp files are one test program beside it.
#
#   nibble_module(NAME DEPENDS other modules... LIBRARIES third-party targets... TEST_DEPENDS ...)
#
# Sources are found by pattern, so a new file needs no edit here. tools/check_includes.py holds the
# arrows between modules to the design.
# Every unit test program, for builds that need nothing else, and those of modules that use threads
# (the tsan preset names them again, for ctest).
add_custom_target(unit_tests)
add_custom_target(threaded_tests)
set(NIBBLE_THREADED_MODULES base runtime calibrate engine evaluate optimize serve)

function(nibble_module name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;LIBRARIES;TEST_DEPENDS" ${ARGN})
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

  if(NIBBLE_BUILD_TESTS AND tests)
    set(test_deps ${ARG_TEST_DEPENDS})
    list(TRANSFORM test_deps PREPEND nibble_)
    add_executable(${name}_test ${tests})
    add_dependencies(unit_tests ${name}_test)
    if(name IN_LIST NIBBLE_THREADED_MODULES)
      add_dependencies(threaded_tests ${name}_test)
    endif()
    target_link_libraries(${name}_test PRIVATE nibble_${name} ${test_deps} GTest::gmock GTest::gtest_main)
    target_compile_definitions(${name}_test PRIVATE
      NIBBLE_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    gtest_discover_tests(${name}_test DISCOVERY_MODE PRE_TEST TEST_PREFIX "${name}." PROPERTIES LABELS unit)
  endif()
endfunction()

# Compiles files of the calling directory with the instruction set they are written for. Only the
# files themselves get the flags: everything else starts on any x86-64.
function(nibble_isa_sources pattern)
  file(GLOB_RECURSE isa_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${pattern})
  set(flags ${ARGN})
  if(NIBBLE_SANITIZE)
    # A kernel's templates would take a quarter of an hour: checks are calls instead of code in place, the
    # level of optimization is the preset's, and undefined behaviour, of which intrinsics have none, is left out.
    list(REMOVE_ITEM flags -O3)
    list(APPEND flags -fno-sanitize=undefined)
    if(NIBBLE_SANITIZE MATCHES address)
      list(APPEND flags --param=asan-instrumentation-with-call-threshold=0)
    endif()
  endif()
  set_source_files_properties(${isa_sources} PROPERTIES COMPILE_OPTIONS "${flags}")
endfunction()
