#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stop_token>
#include <string_view>

#include "freshet/core/matrix_view.hpp"

/// @file
/// What a detection method must offer to be used anywhere in the library.

namespace freshet {

/// The only source of randomness a fit may use.
using Seed = std::uint64_t;

/// A trained model: immutable, so that any number of threads may score with it at once. Copyable,
/// and default constructible as something to restore into.
///
/// - `score(row) noexcept`: the raw score of a row of `n_features()` values, larger is more
///   abnormal; must not allocate, lock or change anything.
/// - `n_features()`: the width of the rows it was trained on.
template <class M>
concept Model = std::semiregular<M> && requires(const M& model, RowView row) {
  { model.score(row) } noexcept -> std::convertible_to<double>;
  { model.n_features() } -> std::convertible_to<std::size_t>;
};

/// A model that can say how much each of its features adds to a score.
///
/// `explain(row, contributions)` fills `n_features()` values whose sum is `score(row)` up to
/// rounding.
template <class M>
concept ExplainableModel =
    Model<M> && requires(const M& model, RowView row, std::span<double> contributions) {
      { model.explain(row, contributions) } noexcept;
    };

/// A model that keeps the scores of the rows it was trained on. Where a method scores a training
/// row differently from a new one (ECOD and COPOD as PyOD has them), these are the ones that
/// calibration and `decision_scores_` use; without them every training row is scored anew.
template <class M>
concept KeepsTrainingScores = Model<M> && requires(const M& model) {
  { model.training_scores() } -> std::convertible_to<std::span<const double>>;
};

/// A detection method with its hyperparameters: a value.
///
/// - `B::name`: the identifier used in configurations, for example `"ecod"`.
/// - `B::Model`: what training yields.
/// - `fit(rows, seed) const`: a pure function of the backend, the rows (`n_rows` × `n_features`,
///   finite) and the seed. Throws FitError when no model can be made of them.
template <class B>
concept Backend = std::copyable<B> && Model<typename B::Model> &&
                  requires(const B& backend, MatrixView rows, Seed seed) {
                    { B::name } -> std::convertible_to<std::string_view>;
                    { backend.fit(rows, seed) } -> std::same_as<typename B::Model>;
                  };

/// A backend that scores windows: the row it is given is `window` consecutive rows as one vector,
/// the oldest first.
template <class B>
concept WindowBackend = Backend<B> && requires(const B& backend) {
  { backend.window } -> std::convertible_to<std::size_t>;
};

/// A backend whose training takes long enough to be stopped.
///
/// `fit(rows, seed, stop)`: as `fit(rows, seed)`, throwing FitError once `stop` is requested.
template <class B>
concept CancellableBackend =
    Backend<B> && requires(const B& backend, MatrixView rows, Seed seed, std::stop_token stop) {
      { backend.fit(rows, seed, stop) } -> std::same_as<typename B::Model>;
    };

/// A backend whose training takes long enough to begin with the active model and to be stopped.
///
/// `fit(rows, seed, previous, {stop})`: as `fit(rows, seed)`, beginning with what `previous` (null
/// or a model of the same backend) has learnt, and throwing FitError once `stop` is requested.
template <class B>
concept WarmStartBackend =
    Backend<B> && requires(const B& backend, MatrixView rows, Seed seed,
                           const typename B::Model* previous, std::stop_token stop) {
      { backend.fit(rows, seed, previous, {stop}) } -> std::same_as<typename B::Model>;
    };

}  // namespace freshet
