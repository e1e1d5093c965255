#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>
#include <utility>

#include "freshet/core/concepts.hpp"
#include "freshet/core/matrix_view.hpp"
#include "freshet/stream/config.hpp"
#include "freshet/stream/generation.hpp"

/// @file
/// A training that is yet to be run, by whomever.

namespace freshet {

/// Everything that one training needs: it may be run by any thread, without the detector that asked
/// for it, which it may outlive. What it yields depends on nothing else.
template <Backend B>
class Training {
 public:
  /// @param rows      what it trains on, before shingling
  /// @param number    the version of what it yields
  /// @param previous  the active generation, where a WarmStartBackend begins; or null
  Training(B backend, StreamingConfig config, Matrix rows, std::uint64_t number,
           std::shared_ptr<const Generation<B>> previous)
      : backend_(std::move(backend)),
        config_(std::move(config)),
        rows_(std::move(rows)),
        version_(number),
        previous_(std::move(previous)) {}

  /// Trains, every time that it is called. Any number of threads may, at once.
  /// @throws FitError when no model can be made of the rows, or because of `cancel`.
  [[nodiscard]] std::shared_ptr<const Generation<B>> run() const {
    return std::make_shared<const Generation<B>>(backend_, config_,
                                                 rows_.view().shingled(config_.shingle), version_,
                                                 previous_.get(), stop_.get_token());
  }

  /// Ends every `run` early, those to come too, if the backend is a WarmStartBackend or a
  /// CancellableBackend; the others run to their end.
  void cancel() const noexcept { stop_.request_stop(); }

  /// The method and its hyperparameters.
  [[nodiscard]] const B& backend() const noexcept { return backend_; }
  /// The settings it is trained under.
  [[nodiscard]] const StreamingConfig& config() const noexcept { return config_; }
  /// The rows it trains on, before shingling.
  [[nodiscard]] const Matrix& rows() const noexcept { return rows_; }
  /// The version of what it yields.
  [[nodiscard]] std::uint64_t version() const noexcept { return version_; }

 private:
  B backend_;
  StreamingConfig config_;
  Matrix rows_;
  std::uint64_t version_;
  std::shared_ptr<const Generation<B>> previous_;
  mutable std::stop_source stop_;
};

}  // namespace freshet
