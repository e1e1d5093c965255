# Headers, the CMake package (find_package(freshet)) and the pkg-config file. All of it is
# architecture independent, so it goes to share/.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(freshet_package_dir "${CMAKE_INSTALL_DATADIR}/cmake/freshet")

install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/freshet" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
        FILES_MATCHING PATTERN "*.hpp" PATTERN "*.inl")

install(TARGETS freshet EXPORT freshetTargets)
install(EXPORT freshetTargets NAMESPACE freshet:: DESTINATION "${freshet_package_dir}")

configure_package_config_file(
  "${PROJECT_SOURCE_DIR}/cmake/freshetConfig.cmake.in" "${PROJECT_BINARY_DIR}/freshetConfig.cmake"
  INSTALL_DESTINATION "${freshet_package_dir}" NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(
  "${PROJECT_BINARY_DIR}/freshetConfigVersion.cmake" COMPATIBILITY SameMinorVersion
                                                                    ARCH_INDEPENDENT)
install(FILES "${PROJECT_BINARY_DIR}/freshetConfig.cmake"
              "${PROJECT_BINARY_DIR}/freshetConfigVersion.cmake"
        DESTINATION "${freshet_package_dir}")

configure_file("${PROJECT_SOURCE_DIR}/cmake/freshet.pc.in" "${PROJECT_BINARY_DIR}/freshet.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/freshet.pc" DESTINATION "${CMAKE_INSTALL_DATADIR}/pkgconfig")

install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}")
