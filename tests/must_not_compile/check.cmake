# cmake -D COMPILER=... -D SOURCE=... -D INCLUDE_DIRS=... -P check.cmake
# Compiles SOURCE twice: as it is, which must fail with the expected diagnostic, and with
# -D FRESHET_VALID, which selects the corrected use and must succeed, so that the failure is not
# about something else.
file(STRINGS "${SOURCE}" expectation REGEX "^// expect: ")
string(REGEX REPLACE "^// expect: " "" expectation "${expectation}")
if(expectation STREQUAL "")
  message(FATAL_ERROR "${SOURCE} has no line '// expect: <regex>'")
endif()

set(flags -std=c++20 -fsyntax-only)
foreach(directory IN LISTS INCLUDE_DIRS)
  # Last in the search order: /usr/include, where libraries may be, must not come before the
  # compiler's own headers.
  list(APPEND flags -idirafter "${directory}")
endforeach()

execute_process(COMMAND "${COMPILER}" ${flags} -DFRESHET_VALID "${SOURCE}" RESULT_VARIABLE failed
                ERROR_VARIABLE diagnostics)
if(failed)
  message(FATAL_ERROR "the corrected use does not compile either:\n${diagnostics}")
endif()

execute_process(COMMAND "${COMPILER}" ${flags} "${SOURCE}" RESULT_VARIABLE failed
                ERROR_VARIABLE diagnostics)
if(NOT failed)
  message(FATAL_ERROR "${SOURCE} compiles")
endif()
if(NOT diagnostics MATCHES "${expectation}")
  message(FATAL_ERROR "no diagnostic matches '${expectation}':\n${diagnostics}")
endif()
