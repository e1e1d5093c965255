#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "freshet/backends/lstm_autoencoder.hpp"
#include "freshet/core/error.hpp"
#include "freshet/io/detail/bundle_json.hpp"
#include "freshet/io/safetensors.hpp"
#include "freshet/io/trained_model.hpp"
#include "freshet/io/verified_directory.hpp"
#include "freshet/stream/streaming_detector.hpp"
#include "freshet/version.hpp"

/// @file
/// A trained model as a directory with everything that inference needs. Needs a POSIX system.

namespace freshet {

/// The layout of a bundle's files; a library reads bundles of its own layout only.
inline constexpr int bundle_format_version = 1;

/// A trained LSTM autoencoder with all that belongs to it.
///
/// | file                         | holds |
/// |------------------------------|-------|
/// | `manifest.json`              | format, versions, time, backend and parameters, columns,
/// training, SHA-256 of the others | | `weights.safetensors`        | the network's parameters,
/// named and shaped as PyTorch's | | `scaler.json`                | `center` and `scale` of every
/// column | | `threshold.json`             | the error above which a window is an anomaly, and the
/// percentile it was taken at | | `training_scores.safetensors`| the errors of the training windows
/// |
struct Bundle {
  LstmAutoencoder backend;           ///< The parameters it was trained with.
  Seed seed = 0;                     ///< The training's.
  LstmAutoencoderModel model;        ///< Weights, scaler, training scores, losses.
  std::vector<std::string> columns;  ///< In the order in which the model sees them.
  double threshold = 0.0;            ///< Windows with a larger error are anomalies.
  std::optional<double>
      percentile;          ///< Of the training scores, 0 … 100, if it was taken from them.
  std::size_t n_rows = 0;  ///< Rows it was trained on; 0 when not known.
  std::vector<ColumnStatistics> statistics;  ///< Of those rows' columns; empty when not known.
  std::string created;                       ///< UTC, as "2026-01-31T12:00:00Z".
  std::string library_version{version};      ///< Of the library that trained it.

  /// The model as a detector uses it: the error is the score.
  [[nodiscard]] Generation<LstmAutoencoder> generation() const {
    return {model, Normalizer{}, threshold, n_rows};
  }

  /// Settings of a detector that begins with the model and keeps it: `retrain` is manual. For one
  /// that trains on, `contamination` puts later thresholds at the bundle's percentile.
  [[nodiscard]] StreamingConfig streaming_config() const {
    StreamingConfig config;
    config.n_features = columns.size();
    config.columns = columns;
    config.shingle = model.window();
    config.min_samples = std::max(config.min_samples, model.window() + 1);
    config.window_size = std::max(config.window_size, config.min_samples);
    config.normalization = Normalization::raw;
    config.retrain = Retrain::manual;
    config.seed = seed;
    const double share = 1.0 - percentile.value_or(100.0 * (1.0 - config.contamination)) / 100.0;
    if (share > 0.0 && share <= 0.5) config.contamination = share;
    return config;
  }
};

/// Now, as a bundle's `created` has it.
[[nodiscard]] inline std::string utc_now() {
  using namespace std::chrono;
  const auto now = floor<seconds>(system_clock::now());
  const auto day = floor<days>(now);
  const year_month_day date(day);
  const hh_mm_ss time(now - day);
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02dZ",
                static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(time.hours().count()),
                static_cast<int>(time.minutes().count()), static_cast<int>(time.seconds().count()));
  return text.data();
}

/// Writes `bundle` as a whole: see write_verified_directory. The same bundle gives the same bytes.
/// @throws ConfigurationError when columns or statistics do not fit the model or the threshold is
/// not finite; ModelFileError (file_unwritable), what was there before being untouched.
inline void save_bundle(const std::filesystem::path& directory, const Bundle& bundle) {
  iodetail::require_consistent(bundle.model.n_columns(), bundle.columns, bundle.statistics,
                               bundle.threshold);
  FileContents files;
  SafeTensors weights;
  const auto add = [&weights](const auto* network) {
    if (network == nullptr) return;
    for (const auto& tensor : network->tensors()) weights.tensors.push_back(to_stored(tensor));
  };
  add(bundle.model.network<float>());
  add(bundle.model.network<double>());
  files["weights.safetensors"] = write_safetensors(weights);
  const std::span<const double> scores = bundle.model.training_scores();
  files["training_scores.safetensors"] = write_safetensors(
      {.tensors = {make_tensor<double>("training_scores", {scores.size()}, scores)},
       .metadata = {}});
  files["scaler.json"] = iodetail::to_bytes(iodetail::scaler_json(bundle.model.scaler()));
  nlohmann::ordered_json threshold;
  threshold["value"] = bundle.threshold;
  threshold["percentile"] = iodetail::or_null(bundle.percentile);
  files["threshold.json"] = iodetail::to_bytes(threshold);

  nlohmann::ordered_json manifest;
  manifest["format"] = iodetail::bundle_format;
  manifest["format_version"] = bundle_format_version;
  manifest["library_version"] = bundle.library_version;
  manifest["created"] = bundle.created;
  manifest["backend"] = LstmAutoencoder::name;
  manifest["backend_params"] = iodetail::parameters_json(bundle.backend);
  manifest["seed"] = bundle.seed;
  manifest["window"] = bundle.model.window();
  manifest["columns"] = bundle.columns;
  manifest["training"] = iodetail::training_json(bundle.model, bundle.n_rows, bundle.statistics);
  write_verified_directory(directory, std::move(manifest), files);
}

/// Reads a bundle and verifies it: every hash, shape, type and version.
/// @throws ModelFileError that says what is wrong: file_missing, file_version, file_hash,
/// file_corrupt or file_mismatch.
[[nodiscard]] inline Bundle load_bundle(const std::filesystem::path& directory) {
  const VerifiedDirectory read = read_verified_directory(
      directory, iodetail::bundle_format, bundle_format_version, iodetail::bundle_files);
  return iodetail::as_model_file_error(
      "manifest.json", [&] { return iodetail::parse_bundle<Bundle>(read.manifest, read.files); });
}

/// A detector that begins with the bundle's model and scores from the first full window on; later
/// models, unless `config.retrain` is manual, are trained on the rows that come, beginning with its
/// weights.
/// @param config  Bundle::streaming_config(), changed as needed; a threshold in it replaces the
///                bundle's
/// @throws ConfigurationError for a setting that is out of range, and unless the normalization is
/// raw: the first model's errors are not normalized, so later ones must not be either.
[[nodiscard]] inline StreamingDetector<LstmAutoencoder> make_detector(
    const Bundle& bundle, StreamingConfig config, std::shared_ptr<Executor> executor = nullptr) {
  require_parameter(config.normalization == Normalization::raw, "normalization",
                    "\"raw\" for a detector that begins with a bundle");
  return {bundle.backend, std::move(config), bundle.generation(), std::move(executor)};
}

/// The bundle's model with its settings, for a detector whose backend is chosen at run time.
[[nodiscard]] inline TrainedModel trained_model(const Bundle& bundle) {
  return {bundle.backend, bundle.streaming_config(),
          std::make_shared<const Generation<LstmAutoencoder>>(bundle.generation())};
}

/// The same with the bundle's own settings.
[[nodiscard]] inline StreamingDetector<LstmAutoencoder> make_detector(const Bundle& bundle) {
  return make_detector(bundle, bundle.streaming_config());
}

}  // namespace freshet
