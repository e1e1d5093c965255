#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "freshet/core/concepts.hpp"
#include "freshet/core/error.hpp"
#include "freshet/core/executor.hpp"
#include "freshet/core/matrix_view.hpp"
#include "freshet/stream/config.hpp"
#include "freshet/stream/detail/fit_job.hpp"
#include "freshet/stream/detail/published.hpp"
#include "freshet/stream/generation.hpp"
#include "freshet/stream/training.hpp"

/// @file
/// Tick-tock: one generation scores while the next is trained.

namespace freshet {

/// Decides when a model is trained, has it trained, and makes it the active one.
///
/// One thread drives it; `generation()` may be called from any. A copy shares the training that is
/// running or waits for the host, if one is: training changes nothing but its own result.
template <Backend B>
class Trainer {
 public:
  Trainer() = default;

  /// @param executor where background training runs; `default_executor()` when null.
  Trainer(B backend, StreamingConfig config, std::shared_ptr<Executor> executor)
      : backend_(std::move(backend)), config_(std::move(config)), executor_(std::move(executor)) {}

  /// Begins with a generation that was trained elsewhere, as if it had just been trained here.
  Trainer(B backend, StreamingConfig config, std::shared_ptr<Executor> executor,
          Generation<B> generation)
      : Trainer(std::move(backend), std::move(config), std::move(executor)) {
    active_ = std::make_shared<const Generation<B>>(std::move(generation));
    published_.store_now(active_);
    fits_begun_ = 1;
  }

  /// The active generation, or null; for the driving thread.
  [[nodiscard]] const Generation<B>* active() const noexcept { return active_.get(); }

  /// The active generation, or null; for any thread, without waiting.
  [[nodiscard]] std::shared_ptr<const Generation<B>> generation() const noexcept {
    return published_.load();
  }

  /// Whether a training is running, or waiting for its thread or for the host.
  [[nodiscard]] bool running() const noexcept { return job_ != nullptr || pending_ != nullptr; }

  /// The training that waits for the host, or null; the same until `publish` or `abandon`.
  [[nodiscard]] const std::shared_ptr<const Training<B>>& pending() const noexcept {
    return pending_;
  }

  /// Makes `next` the active generation if its version is the one that follows, whoever trained it;
  /// a training of that version is then dropped.
  /// @return whether it did.
  bool publish(std::shared_ptr<const Generation<B>> next) noexcept {
    if (next->version() != next_version()) return false;
    if (!running()) {
      // As if it had just been trained here.
      since_fit_ = 0;
      if (fits_begun_ == 0) fits_begun_ = 1;
    }
    published_.store_now(next);
    active_ = std::move(next);
    job_.reset();
    pending_.reset();
    return true;
  }

  /// Drops the training that waits for the host as a failed one.
  /// @return whether there was one, of the version `number` if that is given.
  bool abandon(std::string_view why, std::optional<std::uint64_t> number) noexcept {
    if (pending_ == nullptr || number.value_or(pending_->version()) != pending_->version()) {
      return false;
    }
    count_failure(why);
    pending_.reset();
    return true;
  }

  /// Makes the result of a training that has ended the active generation. One atomic load while a
  /// training runs, none otherwise.
  void adopt() noexcept {
    if (job_ == nullptr || !job_->finished()) return;
    if (job_->generation() != nullptr) {
      if (!published_.store(job_->generation())) return;  // next time
      active_ = job_->generation();
    } else {
      count_failure(job_->error());
    }
    job_.reset();
  }

  /// Begins the training that `retrain` asked for while another one was running, if that has ended.
  void begin_requested(MatrixView window) noexcept {
    if (!running() && requested_) begin(window);
  }

  /// Counts an accepted row and begins the training that it makes due.
  /// @param window all rows kept, this one included.
  void row_accepted(MatrixView window) noexcept {
    ++since_fit_;
    if (running()) return;  // further triggers coalesce until it has ended
    if (requested_ || (config_.retrain != Retrain::manual && due(window.n_rows()))) begin(window);
  }

  /// Whether a training is due by count, whoever is to begin it.
  [[nodiscard]] bool due(std::size_t n_rows) const noexcept {
    if (n_rows < config_.min_samples) return false;
    return fits_begun_ == 0 || since_fit_ >= config_.retrain_interval;
  }

  /// Trains on `window` now, or as soon as the running training has ended.
  /// @throws NotReadyError with fewer than `min_samples` rows; FitError when training on the
  /// calling thread fails.
  void retrain(MatrixView window) {
    adopt();
    if (window.n_rows() < config_.min_samples) {
      const std::string expected = std::to_string(config_.min_samples) + " rows";
      throw NotReadyError(ErrorCode::not_ready,
                          "training needs min_samples = " + expected + ", there are " +
                              std::to_string(window.n_rows()),
                          "min_samples", expected);
    }
    if (running()) {
      requested_ = true;
      return;
    }
    const std::uint64_t failures = failures_;
    begin(window);
    if (failures_ > failures) {
      throw FitError(ErrorCode::fit_failed, last_error_, "rows", "rows a model can be made of");
    }
  }

  /// Blocks until no training is running and its result is active; not for one that waits for the
  /// host.
  void wait(MatrixView window) noexcept {
    while (job_ != nullptr) {
      job_->wait();
      adopt();
      begin_requested(window);
    }
  }

  /// A function that blocks until the training that is running now has ended, to be called without
  /// holding the lock that guards this object; empty when none is.
  [[nodiscard]] std::function<void()> waiter() const {
    if (job_ == nullptr) return {};
    return [job = job_] { job->wait(); };
  }

  /// Back to the state without a model. A training that runs is told to stop, or ends unheard.
  void reset() noexcept {
    published_.store_now(nullptr);
    active_.reset();
    job_.reset();
    pending_.reset();
    last_error_.clear();
    since_fit_ = 0;
    fits_begun_ = 0;
    failures_ = 0;
    requested_ = false;
  }

  /// The method and its hyperparameters.
  [[nodiscard]] const B& backend() const noexcept { return backend_; }
  /// The settings of the trainings.
  [[nodiscard]] const StreamingConfig& config() const noexcept { return config_; }
  /// Rows since the last training began.
  [[nodiscard]] std::size_t rows_since_fit() const noexcept { return since_fit_; }
  /// Trainings that have failed.
  [[nodiscard]] std::uint64_t failures() const noexcept { return failures_; }
  /// Why the last of them failed; empty without one.
  [[nodiscard]] const std::string& last_error() const noexcept { return last_error_; }

  /// The rows of a training that was running when the state was written that has just been read.
  [[nodiscard]] const std::optional<Matrix>& interrupted() const noexcept { return interrupted_; }

  /// Begins the interrupted training again, if there was one, or leaves it to the host again.
  void resume() {
    if (interrupted_) hand_over(*std::exchange(interrupted_, std::nullopt));
  }

  /// Reads the state into a fresh object, or writes it. A training that is running is written as
  /// its rows, so that nothing is lost; once what was read has been checked, `resume` begins it
  /// again. See io/archive.hpp.
  template <class Archive>
  void serialize(Archive& archive) {
    static_assert(
        requires { backend_.visit_fields([](const char*, auto&) {}); },
        "a backend needs visit_fields(visitor) to be part of a snapshot");
    backend_.visit_fields([&archive](const char* /*name*/, auto& field) { archive(field); });
    archive(config_, since_fit_, fits_begun_, failures_, last_error_, requested_);
    bool has_model = active_ != nullptr;
    bool is_running = running();
    archive(has_model, is_running);
    if constexpr (Archive::is_reading) {
      if constexpr (requires { backend_.validate(); }) backend_.validate();
      config_.validate();
      if (has_model) {
        auto generation = std::make_shared<Generation<B>>();
        archive(*generation);
        active_ = std::move(generation);
        published_.store_now(active_);
      }
      archive.require(has_model || !is_running, "lifecycle");
      if (is_running) archive(interrupted_.emplace());
    } else {
      if (has_model) archive(*active_);
      if (is_running) archive((pending_ ? *pending_ : job_->training()).rows());
    }
  }

 private:
  using Job = streamdetail::FitJob<B>;

  void begin(MatrixView window) noexcept {
    since_fit_ = 0;
    ++fits_begun_;
    requested_ = false;
    try {
      if (active_ != nullptr &&
          (config_.retrain == Retrain::background || config_.retrain == Retrain::hosted)) {
        hand_over(Matrix(window));
        return;
      }
      auto next = std::make_shared<const Generation<B>>(
          backend_, config_, window.shingled(config_.shingle), next_version(), active_.get());
      published_.store_now(next);
      active_ = std::move(next);
    } catch (const std::exception& error) {
      job_.reset();
      count_failure(error.what());
    } catch (...) {
      job_.reset();
      count_failure(streamdetail::unknown_failure);
    }
  }

  // To the host or to the executor.
  void hand_over(Matrix rows) {
    Training<B> training(backend_, config_, std::move(rows), next_version(), active_);
    if (config_.retrain == Retrain::hosted) {
      pending_ = std::make_shared<const Training<B>>(std::move(training));
      return;
    }
    auto job = std::make_shared<Job>(std::move(training));
    // When the last trainer that waits for it lets go, the job is told to stop.
    job_ = std::shared_ptr<Job>(job.get(), [job](Job* unheard) { unheard->cancel(); });
    if (executor_ == nullptr) executor_ = default_executor();
    executor_->submit(streamdetail::FitTask<B>(std::move(job)));
  }

  [[nodiscard]] std::uint64_t next_version() const noexcept {
    return active_ == nullptr ? 1 : active_->version() + 1;
  }

  void count_failure(std::string_view why) noexcept {
    ++failures_;
    try {
      last_error_ = why;
    } catch (const std::exception&) {
      last_error_.clear();  // no memory even for the message
    }
  }

  B backend_{};
  StreamingConfig config_;
  std::shared_ptr<Executor> executor_;
  std::shared_ptr<const Generation<B>> active_;
  streamdetail::Published<Generation<B>> published_;
  std::shared_ptr<Job> job_;
  std::shared_ptr<const Training<B>> pending_;
  std::optional<Matrix> interrupted_;
  std::size_t since_fit_ = 0;
  std::uint64_t fits_begun_ = 0;
  std::uint64_t failures_ = 0;
  std::string last_error_;
  bool requested_ = false;
};

}  // namespace freshet
