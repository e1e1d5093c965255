# Configures, builds and runs one consumer project; see CMakeLists.txt for the variables.
function(run)
  execute_process(COMMAND ${ARGV} RESULT_VARIABLE result OUTPUT_VARIABLE output
                  ERROR_VARIABLE output)
  if(result)
    list(JOIN ARGV " " command)
    message(FATAL_ERROR "${command} failed (${result}):\n${output}")
  endif()
endfunction()

set(consumers_dir "${CMAKE_CURRENT_LIST_DIR}")
file(REMOVE_RECURSE "${WORK_DIR}")
file(MAKE_DIRECTORY "${WORK_DIR}")

set(options -D "FETCHCONTENT_BASE_DIR=${FETCHCONTENT_BASE_DIR}")
if(NAME MATCHES "^(find_package|pkg_config)$")
  run("${CMAKE_COMMAND}" --install "${FRESHET_BINARY_DIR}" --prefix "${WORK_DIR}/prefix" --config
      "${CONFIG}")
  set(options -D "CMAKE_PREFIX_PATH=${WORK_DIR}/prefix")
elseif(NAME STREQUAL "fetch_content")
  list(APPEND options -D "FETCHCONTENT_SOURCE_DIR_FRESHET=${FRESHET_SOURCE_DIR}")
else()
  list(APPEND options -D "FRESHET_SOURCE_DIR=${FRESHET_SOURCE_DIR}")
endif()

run("${CMAKE_COMMAND}" -S "${consumers_dir}/${NAME}" -B "${WORK_DIR}/build" -G "${GENERATOR}" -D
    "CMAKE_CXX_COMPILER=${COMPILER}" -D "CMAKE_BUILD_TYPE=${CONFIG}" ${options})
run("${CMAKE_COMMAND}" --build "${WORK_DIR}/build" --config "${CONFIG}")
run("${WORK_DIR}/build/consumer")
