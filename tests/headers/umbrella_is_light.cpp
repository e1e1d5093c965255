#include "freshet/freshet.hpp"

#ifdef NLOHMANN_JSON_VERSION_MAJOR
#error "freshet.hpp drags in JSON; only headers under io/ may include it"
#endif
#ifdef EIGEN_WORLD_VERSION
#error "freshet.hpp drags in Eigen; only core/eigen.hpp, nn/ and the LSTM autoencoder may"
#endif
