#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "freshet/core/concepts.hpp"
#include "freshet/core/error.hpp"
#include "freshet/core/executor.hpp"
#include "freshet/core/matrix_view.hpp"
#include "freshet/io/archive.hpp"
#include "freshet/io/backend_registry.hpp"
#include "freshet/io/json_fields.hpp"
#include "freshet/stream/config.hpp"
#include "freshet/stream/generation.hpp"
#include "freshet/stream/training.hpp"

/// @file
/// Trained models, and trainings that are yet to be run, whatever their backend.

namespace freshet {

namespace iodetail {

/// A generation of any backend.
class ModelInterface {
 public:
  ModelInterface() = default;
  ModelInterface(const ModelInterface&) = delete;
  ModelInterface& operator=(const ModelInterface&) = delete;
  virtual ~ModelInterface() = default;

  [[nodiscard]] virtual std::string_view backend() const noexcept = 0;
  [[nodiscard]] virtual nlohmann::json parameters() const = 0;
  [[nodiscard]] virtual std::uint64_t version() const noexcept = 0;
  [[nodiscard]] virtual std::shared_ptr<const ModelInterface> with_version(
      std::uint64_t number) const = 0;
  virtual void write(ArchiveWriter& archive) const = 0;
};

/// That of one backend.
template <Backend B>
class ModelOf final : public ModelInterface {
 public:
  ModelOf(B backend, std::shared_ptr<const Generation<B>> generation)
      : backend_(std::move(backend)), generation_(std::move(generation)) {}

  [[nodiscard]] const std::shared_ptr<const Generation<B>>& generation() const noexcept {
    return generation_;
  }
  [[nodiscard]] std::string_view backend() const noexcept override { return B::name; }
  [[nodiscard]] nlohmann::json parameters() const override {
    JsonWriter writer;
    B(backend_).visit_fields(writer);
    return writer.object();
  }
  [[nodiscard]] std::uint64_t version() const noexcept override { return generation_->version(); }
  [[nodiscard]] std::shared_ptr<const ModelInterface> with_version(
      std::uint64_t number) const override {
    return std::make_shared<const ModelOf>(
        backend_, std::make_shared<const Generation<B>>(generation_->with_version(number)));
  }
  void write(ArchiveWriter& archive) const override { archive(*generation_); }

 private:
  B backend_;
  std::shared_ptr<const Generation<B>> generation_;
};

}  // namespace iodetail

/// What a training yields, with the backend and the settings of the detector that it is for:
/// immutable, and copies share its memory, as do all detectors that it is given to.
///
/// A detector may begin with it (see AnyDetector), or take it over between two rows by
/// AnyDetector::publish. `snapshot` and `restore` turn it to bytes and back; see io/snapshot.hpp.
class TrainedModel {
 public:
  /// A generation with the backend and the settings it was trained under.
  template <Backend B>
  TrainedModel(B backend, StreamingConfig config, std::shared_ptr<const Generation<B>> generation)
      : config_(std::move(config)),
        model_(std::make_shared<const iodetail::ModelOf<B>>(std::move(backend),
                                                            std::move(generation))) {}

  /// Counted from 1 within a detector.
  [[nodiscard]] std::uint64_t version() const noexcept { return model_->version(); }
  /// Identifier of the backend, for example `"ecod"`.
  [[nodiscard]] std::string_view backend() const noexcept { return model_->backend(); }
  /// All parameters of the backend.
  [[nodiscard]] nlohmann::json backend_parameters() const { return model_->parameters(); }
  /// The settings of the detector that it was trained for.
  [[nodiscard]] const StreamingConfig& config() const noexcept { return config_; }
  /// All of these as JSON, from which a detector like that one can be made.
  [[nodiscard]] nlohmann::json settings() const {
    return settings_json(config_, backend(), backend_parameters());
  }

  /// The same model under another number, in the same memory: what makes it the next one of a
  /// detector whose active model has the version `number - 1`.
  /// @throws ConfigurationError unless `number` is at least 1.
  [[nodiscard]] TrainedModel with_version(std::uint64_t number) const {
    require_parameter(number >= 1, "version", "at least 1");
    return {config_, model_->with_version(number)};
  }

  /// The generation, or null when the model is of another backend.
  template <Backend B>
  [[nodiscard]] std::shared_ptr<const Generation<B>> generation() const noexcept {
    const auto* model = dynamic_cast<const iodetail::ModelOf<B>*>(model_.get());
    return model == nullptr ? nullptr : model->generation();
  }

  /// Throws ConfigurationError unless a detector of `backend` with `config` makes of its rows what
  /// this model has learnt to score, whatever the columns are called.
  void require_same_features(std::string_view backend_name, const StreamingConfig& config) const {
    const auto require = [](bool same, std::string_view field) {
      require_parameter(same, field, "what it was when the model was trained");
    };
    require(backend_name == backend(), "backend");
    require(config.n_features == config_.n_features, "n_features");
    require(config.schema == config_.schema, "schema");
    require(config.rolling_windows == config_.rolling_windows, "rolling_windows");
    require(config.lag_periods == config_.lag_periods, "lag_periods");
    require(config.shingle == config_.shingle, "shingle");
    require(config.normalization == config_.normalization, "normalization");
  }

  /// What a snapshot of it is called.
  [[nodiscard]] static std::string snapshot_kind() { return "model"; }

  /// The model that was written; see io/snapshot.hpp.
  template <class Archive>
  [[nodiscard]] static TrainedModel read(Archive& archive,
                                         const std::shared_ptr<Executor>& /*trains nothing*/) {
    std::string name;
    std::string parameters;
    StreamingConfig config;
    archive(name, parameters, config);
    config.validate();
    const nlohmann::json json =
        nlohmann::json::parse(parameters, nullptr, /*allow_exceptions=*/false);
    archive.require(json.is_object(), "backend parameters");
    TrainedModel model(std::move(config), with_backend(name, json, [&](auto backend) {
                         return read_generation(archive, std::move(backend));
                       }));
    archive.require(model.version() >= 1, "version");
    return model;
  }

  /// Writes the model; see io/snapshot.hpp.
  template <class Archive>
  void serialize(Archive& archive) {
    static_assert(!Archive::is_reading, "a TrainedModel is made by TrainedModel::read");
    archive(std::string(backend()), backend_parameters().dump(), config_);
    model_->write(archive);
  }

 private:
  using Model = std::shared_ptr<const iodetail::ModelInterface>;

  TrainedModel(StreamingConfig config, Model model)
      : config_(std::move(config)), model_(std::move(model)) {}

  template <class Archive, Backend B>
  static Model read_generation(Archive& archive, B backend) {
    if constexpr (requires { backend.validate(); }) backend.validate();
    auto generation = std::make_shared<Generation<B>>();
    archive(*generation);
    return std::make_shared<const iodetail::ModelOf<B>>(std::move(backend), std::move(generation));
  }

  StreamingConfig config_;
  Model model_;
};

/// A Training of any backend.
class AnyTraining {
 public:
  /// A training of any backend, shared with who else holds it.
  template <Backend B>
  explicit AnyTraining(const std::shared_ptr<const Training<B>>& training)
      : version_(training->version()),
        run_([training] {
          return TrainedModel(training->backend(), training->config(), training->run());
        }),
        cancel_([training] { training->cancel(); }),
        rows_(training->rows().view()) {}

  /// See Training::run.
  [[nodiscard]] TrainedModel run() const { return run_(); }
  /// See Training::cancel.
  void cancel() const { cancel_(); }
  /// The version of what it yields.
  [[nodiscard]] std::uint64_t version() const noexcept { return version_; }

  /// Whether the other one is of the same version and trains on the same rows, so that for the same
  /// detector it yields the same model. O(values).
  [[nodiscard]] bool same_as(const AnyTraining& other) const noexcept {
    if (version_ != other.version_ || rows_.n_rows() != other.rows_.n_rows() ||
        rows_.n_columns() != other.rows_.n_columns()) {
      return false;
    }
    for (std::size_t i = 0; i < rows_.n_rows(); ++i) {
      if (!std::ranges::equal(rows_.row(i), other.rows_.row(i))) return false;
    }
    return true;
  }

 private:
  std::uint64_t version_;
  std::function<TrainedModel()> run_;
  std::function<void()> cancel_;
  MatrixView rows_;  // of the training, which the functions keep
};

}  // namespace freshet
