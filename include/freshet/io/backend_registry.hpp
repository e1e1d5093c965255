#pragma once

#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "freshet/backends/autoencoder.hpp"
#include "freshet/backends/cblof.hpp"
#include "freshet/backends/copod.hpp"
#include "freshet/backends/ecod.hpp"
#include "freshet/backends/hbos.hpp"
#include "freshet/backends/isolation_forest.hpp"
#include "freshet/backends/knn.hpp"
#include "freshet/backends/local_outlier_factor.hpp"
#include "freshet/backends/loda.hpp"
#include "freshet/backends/lstm_autoencoder.hpp"
#include "freshet/backends/mcd.hpp"
#include "freshet/backends/one_class_svm.hpp"
#include "freshet/backends/suod.hpp"
#include "freshet/core/error.hpp"
#include "freshet/io/json_fields.hpp"

/// @file
/// The backends that can be chosen by name.

namespace freshet {

/// Every backend that a configuration may name. A new one is added here and nowhere else.
using Backends = std::tuple<Ecod, Copod, Hbos, Loda, IsolationForest, Knn, LocalOutlierFactor,
                            Cblof, Mcd, OneClassSvm, Suod, Autoencoder, LstmAutoencoder>;

/// The identifiers of all backends.
[[nodiscard]] inline std::vector<std::string> backend_names() {
  return std::apply(
      [](const auto&... backend) { return std::vector<std::string>{std::string(backend.name)...}; },
      Backends{});
}

/// Calls `use` with the backend called `name`, its parameters read from the JSON object
/// `parameters`, and returns what it returns.
/// @throws ConfigurationError for an unknown backend or parameter.
template <class Use>
auto with_backend(std::string_view name, const nlohmann::json& parameters, Use&& use) {
  using Value = decltype(use(Ecod{}));
  Value value{};
  const bool found = std::apply(
      [&](auto... backend) {
        const auto matches = [&](auto& candidate) {
          if (candidate.name != name) return false;
          JsonReader reader(parameters, "backend_params.");
          candidate.visit_fields(reader);
          reader.require_all_known();
          value = use(std::move(candidate));
          return true;
        };
        return (matches(backend) || ...);
      },
      Backends{});
  if (!found) {
    std::string expected = "one of";
    for (const std::string& known : backend_names()) expected += " \"" + known + "\"";
    throw ConfigurationError(ErrorCode::backend_unknown,
                             "unknown backend \"" + std::string(name) + "\": expected " + expected,
                             "backend", expected);
  }
  return value;
}

/// All parameters of the backend called `name`: those given and the defaults of the others.
[[nodiscard]] inline nlohmann::json complete_parameters(std::string_view name,
                                                        const nlohmann::json& given) {
  return with_backend(name, given, [](auto backend) {
    JsonWriter writer;
    backend.visit_fields(writer);
    return writer.object();
  });
}

}  // namespace freshet
