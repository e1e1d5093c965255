#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "freshet/backends/lstm_autoencoder.hpp"
#include "freshet/core/error.hpp"
#include "freshet/core/matrix_view.hpp"
#include "freshet/io/detail/strict_json.hpp"
#include "freshet/io/json_fields.hpp"
#include "freshet/io/safetensors.hpp"
#include "freshet/io/verified_directory.hpp"
#include "freshet/scaling/affine.hpp"

/// @file
/// The parts of a bundle as JSON and tensors, and back.

namespace freshet {

/// What is told of a column of training rows, in its unit.
struct ColumnStatistics {
  double min = 0.0;
  double max = 0.0;
  double mean = 0.0;
  double std = 0.0;  ///< Divisor n.

  friend bool operator==(const ColumnStatistics&, const ColumnStatistics&) = default;
};

/// Of every column of `rows` (at least one). O(rows · columns).
[[nodiscard]] inline std::vector<ColumnStatistics> column_statistics(MatrixView rows) {
  std::vector<ColumnStatistics> all;
  const auto n = static_cast<double>(rows.n_rows());
  for (std::size_t j = 0; j < rows.n_columns(); ++j) {
    ColumnStatistics one{.min = rows(0, j), .max = rows(0, j)};
    for (std::size_t i = 0; i < rows.n_rows(); ++i) {
      one.min = std::min(one.min, rows(i, j));
      one.max = std::max(one.max, rows(i, j));
      one.mean += rows(i, j) / n;
    }
    double variance = 0.0;
    for (std::size_t i = 0; i < rows.n_rows(); ++i) {
      const double deviation = rows(i, j) - one.mean;
      variance += deviation * deviation / n;
    }
    one.std = std::sqrt(variance);
    all.push_back(one);
  }
  return all;
}

namespace iodetail {

using Json = nlohmann::ordered_json;

inline constexpr std::string_view bundle_format = "freshet-bundle";
inline constexpr std::array<std::string_view, 4> bundle_files{
    "scaler.json", "threshold.json", "training_scores.safetensors", "weights.safetensors"};

[[nodiscard]] inline std::vector<std::byte> to_bytes(const Json& json) {
  const std::string text = json.dump(2) + "\n";
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

[[nodiscard]] inline Json or_null(std::optional<double> value) {
  return value && std::isfinite(*value) ? Json(*value) : Json();
}

inline void require_consistent(std::size_t n_columns, const std::vector<std::string>& columns,
                               const std::vector<ColumnStatistics>& statistics, double threshold) {
  require_parameter(n_columns >= 1, "model", "trained");
  require_parameter(
      columns.size() == n_columns && std::set(columns.begin(), columns.end()).size() == n_columns,
      "columns", std::to_string(n_columns) + " names that differ from each other");
  require_parameter(statistics.empty() || statistics.size() == n_columns, "statistics",
                    "one for each column");
  require_parameter(std::isfinite(threshold), "threshold", "a finite number");
  for (const ColumnStatistics& one : statistics) {
    require_parameter(std::isfinite(one.min) && std::isfinite(one.max) && std::isfinite(one.mean) &&
                          std::isfinite(one.std),
                      "statistics", "finite numbers");
  }
}

[[nodiscard]] inline Json scaler_json(const AffineTransform& scaler) {
  Json json;
  json["center"] = scaler.center();
  json["scale"] = scaler.scale();
  return json;
}

[[nodiscard]] inline Json parameters_json(LstmAutoencoder backend) {
  JsonWriter writer;
  backend.visit_fields(writer);
  return Json(writer.object());
}

[[nodiscard]] inline Json training_json(const LstmAutoencoderModel& model, std::size_t n_rows,
                                        const std::vector<ColumnStatistics>& statistics) {
  Json json;
  json["n_rows"] = n_rows;
  json["n_windows"] = model.training_scores().size();
  json["columns"] = Json::array();
  for (const ColumnStatistics& column : statistics) {
    Json one;
    one["min"] = column.min;
    one["max"] = column.max;
    one["mean"] = column.mean;
    one["std"] = column.std;
    json["columns"].push_back(std::move(one));
  }
  json["best_epoch"] = model.history().best_epoch;
  json["epochs"] = Json::array();
  for (const nn::EpochLosses& losses : model.history().epochs) {
    Json one;
    one["training_loss"] = or_null(losses.training);
    one["validation_loss"] = or_null(losses.validation);
    json["epochs"].push_back(std::move(one));
  }
  return json;
}

// ---- back ----

/// Calls `use`; what JSON and settings complain of becomes a ModelFileError about `file`.
template <class Use>
auto as_model_file_error(const std::string& file, const Use& use) {
  try {
    return use();
  } catch (const ConfigurationError& error) {
    throw ModelFileError(ErrorCode::file_mismatch, file + ": " + error.what(), error.field(),
                         error.expected());
  } catch (const nlohmann::json::exception&) {
    throw ModelFileError(ErrorCode::file_corrupt,
                         file + " lacks a member, or one has another type than it should", file,
                         "the members that save_bundle writes");
  }
}

[[nodiscard]] inline Json parse_file(const FileContents& files, const std::string& name) {
  const std::vector<std::byte>& bytes = files.at(name);
  constexpr std::size_t max_depth = 8;
  return parse_strict_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, name, name,
                           max_depth);
}

[[nodiscard]] inline double number_or_nan(const Json& json) {
  return json.is_null() ? std::numeric_limits<double>::quiet_NaN() : json.get<double>();
}

[[nodiscard]] inline std::size_t count(const Json& json, const std::string& field) {
  if (json.is_number_unsigned()) return json.get<std::size_t>();
  throw ModelFileError(ErrorCode::file_corrupt, field + " is no count", field,
                       "an integer of at least 0");
}

/// The network whose sizes `backend` and the columns give, with the weights of the file.
template <class Scalar>
[[nodiscard]] nn::Autoencoder<Scalar> network_from(const SafeTensors& stored,
                                                   const LstmAutoencoder& backend,
                                                   std::size_t n_columns) {
  constexpr TensorType expected =
      std::same_as<Scalar, float> ? TensorType::float32 : TensorType::float64;
  const nn::AutoencoderSizes sizes{
      .n_columns = static_cast<nn::Index>(n_columns),
      .hidden_size = static_cast<nn::Index>(backend.hidden_size),
      .num_layers = static_cast<nn::Index>(backend.num_layers),
      .latent_size = static_cast<nn::Index>(backend.latent_size.value_or(0))};
  std::vector<nn::NamedTensor<Scalar>> tensors;
  std::size_t n_values = 0;
  for (const Tensor& tensor : stored.tensors) {
    if (tensor.dtype != expected || tensor.shape.empty() || tensor.shape.size() > 2) {
      throw ModelFileError(ErrorCode::file_mismatch,
                           "tensor " + in_quotes(tensor.name) + " is no matrix or vector of " +
                               std::string(to_string(expected)),
                           tensor.name,
                           "a matrix or vector of " + std::string(to_string(expected)));
    }
    const std::vector<Scalar> values = tensor.template values<Scalar>();
    if (!std::ranges::all_of(values, [](Scalar value) { return std::isfinite(value); })) {
      throw ModelFileError(ErrorCode::file_mismatch,
                           "tensor " + in_quotes(tensor.name) + " has values that are not finite",
                           tensor.name, "finite numbers");
    }
    n_values += values.size();
    const auto n_rows = static_cast<nn::Index>(tensor.shape.front());
    const auto n_in_row =
        static_cast<nn::Index>(tensor.shape.size() == 2 ? tensor.shape.back() : 1);
    tensors.push_back({tensor.name,
                       Eigen::Map<const nn::Tensor<Scalar>>(values.data(), n_rows, n_in_row),
                       tensor.shape.size() == 1});
  }
  // Before memory is taken for sizes that only the manifest vouches for.
  if (n_values != nn::n_parameters(sizes)) {
    const std::string right = std::to_string(nn::n_parameters(sizes)) + " weights";
    throw ModelFileError(ErrorCode::file_mismatch,
                         "weights.safetensors holds " + std::to_string(n_values) +
                             " weights: the parameters in manifest.json ask for " + right,
                         "weights.safetensors", right);
  }
  nn::Autoencoder<Scalar> network(sizes);
  network.set_tensors(tensors);
  return network;
}

/// The errors of the training windows.
[[nodiscard]] inline std::vector<double> training_scores_from(const FileContents& files) {
  const std::string file = "training_scores.safetensors";
  return as_model_file_error(file, [&] {
    const SafeTensors stored = read_safetensors(files.at(file), file);
    const Tensor* tensor = stored.find("training_scores");
    require_parameter(tensor != nullptr, "training_scores", "a tensor of the file");
    std::vector<double> scores = tensor->values<double>();
    require_parameter(
        std::ranges::all_of(scores, [](double score) { return std::isfinite(score); }),
        "training_scores", "finite numbers");
    return scores;
  });
}

/// The bundle that `manifest` and `files` spell out.
template <class Bundle>
[[nodiscard]] Bundle parse_bundle(const Json& manifest, const FileContents& files) {
  Bundle bundle;
  const auto backend_name = manifest.at("backend").get<std::string>();
  if (backend_name != LstmAutoencoder::name) {
    const std::string known(LstmAutoencoder::name);
    throw ModelFileError(ErrorCode::file_mismatch,
                         "the bundle is of the backend " + in_quotes(backend_name), "backend",
                         known);
  }
  const nlohmann::json parameters = manifest.at("backend_params");
  JsonReader reader(parameters, "backend_params.");
  bundle.backend.visit_fields(reader);
  reader.require_all_known();
  bundle.backend.validate();
  require_parameter(count(manifest.at("window"), "window") == bundle.backend.window, "window",
                    "backend_params.window");
  bundle.seed = count(manifest.at("seed"), "seed");
  bundle.columns = manifest.at("columns").get<std::vector<std::string>>();
  bundle.created = manifest.at("created").get<std::string>();
  bundle.library_version = manifest.at("library_version").get<std::string>();

  const Json& training = manifest.at("training");
  bundle.n_rows = count(training.at("n_rows"), "training.n_rows");
  for (const Json& one : training.at("columns")) {
    bundle.statistics.push_back({one.at("min").get<double>(), one.at("max").get<double>(),
                                 one.at("mean").get<double>(), one.at("std").get<double>()});
  }
  nn::TrainingHistory history;
  history.best_epoch = count(training.at("best_epoch"), "training.best_epoch");
  for (const Json& one : training.at("epochs")) {
    history.epochs.push_back(
        {number_or_nan(one.at("training_loss")), number_or_nan(one.at("validation_loss"))});
  }
  require_parameter(history.best_epoch <= history.epochs.size(), "training.best_epoch",
                    "one of the epochs");
  std::vector<double> scores = training_scores_from(files);
  require_parameter(count(training.at("n_windows"), "training.n_windows") == scores.size(),
                    "training.n_windows", "as many as there are training_scores");

  AffineTransform fitted = as_model_file_error("scaler.json", [&] {
    const Json scaler = parse_file(files, "scaler.json");
    AffineTransform transform(scaler.at("center").get<std::vector<double>>(),
                              scaler.at("scale").get<std::vector<double>>());
    require_parameter(transform.n_features() == bundle.columns.size(), "center",
                      "as many numbers as there are columns");
    return transform;
  });
  as_model_file_error("threshold.json", [&] {
    const Json threshold = parse_file(files, "threshold.json");
    bundle.threshold = threshold.at("value").get<double>();
    if (!threshold.at("percentile").is_null()) {
      bundle.percentile = threshold.at("percentile").get<double>();
      require_parameter(*bundle.percentile >= 0.0 && *bundle.percentile <= 100.0, "percentile",
                        "from 0 to 100");
    }
  });
  require_consistent(fitted.n_features(), bundle.columns, bundle.statistics, bundle.threshold);

  const SafeTensors weights =
      read_safetensors(files.at("weights.safetensors"), "weights.safetensors");
  const auto make = [&](auto network) {
    return LstmAutoencoderModel(std::move(network), bundle.backend.window, std::move(fitted),
                                std::move(history), std::move(scores));
  };
  bundle.model = bundle.backend.dtype == Dtype::float32
                     ? make(network_from<float>(weights, bundle.backend, bundle.columns.size()))
                     : make(network_from<double>(weights, bundle.backend, bundle.columns.size()));
  return bundle;
}

}  // namespace iodetail

/// A parameter as a bundle's file has it.
template <class Scalar>
[[nodiscard]] Tensor to_stored(const nn::NamedTensor<Scalar>& tensor) {
  const std::span<const Scalar> values(tensor.values.data(),
                                       static_cast<std::size_t>(tensor.values.size()));
  std::vector<std::size_t> shape{static_cast<std::size_t>(tensor.values.rows())};
  if (!tensor.is_vector) shape.push_back(static_cast<std::size_t>(tensor.values.cols()));
  return make_tensor<Scalar>(tensor.name, std::move(shape), values);
}

}  // namespace freshet
