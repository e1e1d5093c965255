# Every dependency comes from the system when it is found there, else from a pinned archive.
include(FetchContent)

# Makes imported targets visible in the whole build, so that a parent project can link to freshet.
macro(freshet_promote)
  foreach(freshet_target IN ITEMS ${ARGN})
    if(TARGET ${freshet_target})
      get_target_property(freshet_imported ${freshet_target} IMPORTED)
      if(freshet_imported)
        set_target_properties(${freshet_target} PROPERTIES IMPORTED_GLOBAL TRUE)
      endif()
    endif()
  endforeach()
endmacro()

macro(freshet_fetch name url sha256)
  message(STATUS "freshet: ${name} is not installed, fetching ${url}")
  # The archives' own time stamps would make every configure rebuild what includes them.
  if(POLICY CMP0135)
    cmake_policy(SET CMP0135 NEW)
  endif()
  set(freshet_system)
  if(CMAKE_VERSION VERSION_GREATER_EQUAL 3.25)
    set(freshet_system SYSTEM)
  endif()
  FetchContent_Declare(${name} URL "${url}" URL_HASH "SHA256=${sha256}" ${freshet_system} ${ARGN})
  FetchContent_MakeAvailable(${name})
endmacro()

macro(freshet_find_library_dependencies)
  if(NOT TARGET Threads::Threads)
    set(THREADS_PREFER_PTHREAD_FLAG ON)
    find_package(Threads REQUIRED)
    freshet_promote(Threads::Threads)
  endif()

  set(freshet_dependencies_installed ON)
  if(NOT TARGET Eigen3::Eigen)
    find_package(Eigen3 QUIET NO_MODULE)
    if(TARGET Eigen3::Eigen)
      freshet_promote(Eigen3::Eigen)
    else()
      set(freshet_dependencies_installed OFF)
      # Headers only: Eigen's own build would add its tests, documentation and install rules to ours.
      freshet_fetch(
        eigen3 https://gitlab.com/libeigen/eigen/-/archive/3.4.0/eigen-3.4.0.tar.bz2
        b4c198460eba6f28d34894e3a5710998818515104d6e74e5cc331ce31e46e626
        SOURCE_SUBDIR headers-only)
      add_library(Eigen3::Eigen INTERFACE IMPORTED GLOBAL)
      target_include_directories(Eigen3::Eigen INTERFACE "${eigen3_SOURCE_DIR}")
    endif()
  endif()

  if(NOT TARGET nlohmann_json::nlohmann_json)
    find_package(nlohmann_json 3.9 QUIET)
    if(TARGET nlohmann_json::nlohmann_json)
      freshet_promote(nlohmann_json::nlohmann_json)
    else()
      set(freshet_dependencies_installed OFF)
      freshet_fetch(
        nlohmann_json https://github.com/nlohmann/json/releases/download/v3.11.3/json.tar.xz
        d6c65aca6b1ed68e7a182f4757257b107ae403032760ed6ef121c9d55e81757d
        SOURCE_SUBDIR headers-only)
      add_library(nlohmann_json::nlohmann_json INTERFACE IMPORTED GLOBAL)
      target_include_directories(nlohmann_json::nlohmann_json
                                 INTERFACE "${nlohmann_json_SOURCE_DIR}/include")
    endif()
  endif()
endmacro()

# Catch2 2.13 (Debian 12, Ubuntu 22.04) and 3.x both do; tests/support/catch.hpp hides the difference.
macro(freshet_find_catch2)
  find_package(Catch2 QUIET)
  if(NOT TARGET Catch2::Catch2)
    freshet_fetch(
      Catch2 https://github.com/catchorg/Catch2/archive/v3.6.0.tar.gz
      485932259a75c7c6b72d4b874242c489ea5155d17efa345eb8cc72159f49f356)
    list(APPEND CMAKE_MODULE_PATH "${catch2_SOURCE_DIR}/extras")
  endif()
  include(Catch)
endmacro()

macro(freshet_find_benchmark)
  find_package(benchmark QUIET)
  if(NOT TARGET benchmark::benchmark)
    set(BENCHMARK_ENABLE_TESTING OFF)
    set(BENCHMARK_ENABLE_INSTALL OFF)
    set(BENCHMARK_ENABLE_WERROR OFF)
    freshet_fetch(
      benchmark https://github.com/google/benchmark/archive/refs/tags/v1.8.2.tar.gz
      2aab2980d0376137f969d92848fbb68216abb07633034534fc8c65cc4e7a0e93)
  endif()
endmacro()

macro(freshet_find_pybind11)
  # Found before pybind11 so that both agree on one interpreter.
  find_package(Python 3.10 REQUIRED COMPONENTS Interpreter Development.Module)
  set(PYBIND11_FINDPYTHON ON)
  find_package(pybind11 2.10 QUIET CONFIG)
  if(NOT TARGET pybind11::module)
    freshet_fetch(
      pybind11 https://github.com/pybind/pybind11/archive/refs/tags/v2.13.6.tar.gz
      e08cb87f4773da97fa7b5f035de8763abc656d87d5773e62f6da0587d1f0ec20)
  endif()
endmacro()

# For one of the examples. Debian's and Ubuntu's is a library that must be used with the macros it was
# compiled with, which pkg-config knows; the archive's is all in the header.
macro(freshet_find_httplib)
  find_package(PkgConfig QUIET)
  if(PkgConfig_FOUND)
    pkg_check_modules(freshet_cpp_httplib QUIET IMPORTED_TARGET GLOBAL cpp-httplib>=0.10)
  endif()
  add_library(freshet_httplib INTERFACE)
  if(TARGET PkgConfig::freshet_cpp_httplib)
    target_link_libraries(freshet_httplib INTERFACE PkgConfig::freshet_cpp_httplib)
  else()
    freshet_fetch(
      cpp_httplib https://github.com/yhirose/cpp-httplib/archive/v0.14.3.tar.gz
      dcf6486d9030937636d8a4f820ca9531808fd7edb283893dddbaa05f99357e63
      SOURCE_SUBDIR headers-only)
    target_include_directories(freshet_httplib SYSTEM INTERFACE "${cpp_httplib_SOURCE_DIR}")
  endif()
  target_link_libraries(freshet_httplib INTERFACE Threads::Threads)
endmacro()
