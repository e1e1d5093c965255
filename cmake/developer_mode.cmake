# What only our own programs (tests, benchmarks, examples) are compiled with. Nothing here reaches a
# project that uses freshet.

if(freshet_is_top_level)
  set(CMAKE_CXX_EXTENSIONS OFF)
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
  if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
  endif()

  find_program(FRESHET_CCACHE ccache)
  mark_as_advanced(FRESHET_CCACHE)
  if(FRESHET_CCACHE AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
    # The sloppiness is what ccache needs to cache files that use a precompiled header.
    set(CMAKE_CXX_COMPILER_LAUNCHER
        "${CMAKE_COMMAND}" -E env CCACHE_SLOPPINESS=pch_defines,time_macros "${FRESHET_CCACHE}")
  endif()
endif()

add_library(freshet_developer INTERFACE)
target_compile_options(
  freshet_developer
  INTERFACE
    "$<$<CXX_COMPILER_ID:GNU,Clang,AppleClang>:-Wall;-Wextra;-Wpedantic;-Wconversion;-Wshadow;-Werror>"
    # Clang's -Wconversion has this one in it, GCC's does not.
    "$<$<CXX_COMPILER_ID:Clang,AppleClang>:-Wno-sign-conversion>")
if(FRESHET_SANITIZE)
  target_compile_options(
    freshet_developer INTERFACE "-fsanitize=${FRESHET_SANITIZE}" -fno-omit-frame-pointer
                                -fno-sanitize-recover=all
                                # GCC's warning is wrong about instrumented standard headers.
                                "$<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>")
  target_link_options(freshet_developer INTERFACE "-fsanitize=${FRESHET_SANITIZE}")
endif()

# freshet_add_program(<target> <sources>...): an executable of ours with warnings as errors.
function(freshet_add_program target)
  add_executable(${target} ${ARGN})
  target_link_libraries(${target} PRIVATE freshet::freshet freshet_developer)
endfunction()
