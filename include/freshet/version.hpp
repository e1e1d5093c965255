#pragma once

#include <string_view>

/// @file
/// The one place of the version; CMake and the Python package read it from here.

/// Changes when something that worked has to be written otherwise.
#define FRESHET_VERSION_MAJOR 0
/// Changes when there is something new.
#define FRESHET_VERSION_MINOR 1
/// Changes when something is repaired.
#define FRESHET_VERSION_PATCH 0
/// The three as a text.
#define FRESHET_VERSION "0.1.0"

namespace freshet {

/// The library's version, `"major.minor.patch"`.
inline constexpr std::string_view version = FRESHET_VERSION;

}  // namespace freshet
