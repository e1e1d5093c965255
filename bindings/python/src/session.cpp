#include "session.hpp"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

#include "batch_cells.hpp"
#include "freshet/core/columns.hpp"
#include "freshet/core/error.hpp"
#include "freshet/core/validate.hpp"
#include "freshet/features/cell.hpp"
#include "freshet/features/detail/cell_error.hpp"
#include "freshet/features/encoding.hpp"
#include "freshet/io/any_detector.hpp"
#include "freshet/io/snapshot.hpp"
#include "freshet/io/trained_model.hpp"
#include "freshet/stream/config.hpp"

namespace freshet::python {

namespace {

std::unique_ptr<AnyDetector> make_detector(const nlohmann::json& settings) {
  // To AnyDetector 0 means "not known yet"; whoever writes it means something else.
  require_parameter(!settings.is_object() || settings.value("n_features", nlohmann::json()) != 0,
                    "n_features", "at least 1");
  return std::make_unique<AnyDetector>(settings);
}

template <class Names>
bool in_order(std::span<const std::string> columns, const Names& names) {
  return std::equal(columns.begin(), columns.end(), names.begin(), names.end());
}

template <class Names>
std::vector<std::string> to_strings(const Names& names) {
  return {names.begin(), names.end()};
}

template <class Names>
void require_numbers_of(std::span<const MarkedCell> marked, const Names& names) {
  for (const MarkedCell& one : marked) {
    if (!std::holds_alternative<std::string_view>(one.cell)) continue;
    const std::string name =
        names.empty() ? std::to_string(one.column) : std::string(names[one.column]);
    throw featuresdetail::cell_error(RowFault{ErrorCode::value_non_finite, one.row, one.column},
                                     one.cell, Encoding::numeric, name);
  }
}

}  // namespace

void require_numbers(const Row& row) { require_numbers_of(row.marked, row.names); }
void require_numbers(const Batch& batch) { require_numbers_of(batch.marked, batch.names); }

Session::Session(std::unique_ptr<AnyDetector> detector)
    : detector_(std::move(detector)),
      has_schema_(!detector_->config().schema.empty()),
      trains_inline_(detector_->config().retrain == Retrain::inline_) {}

Session::Session(const nlohmann::json& settings) : Session(make_detector(settings)) {}

Session Session::restore(std::span<const std::byte> bytes) {
  return Session(std::make_unique<AnyDetector>(freshet::restore<AnyDetector>(bytes)));
}

Session::Session(const TrainedModel& model, const nlohmann::json& settings)
    : Session(std::make_unique<AnyDetector>(model, settings)) {}

Session::Session(const Session& other) : Session(std::make_unique<AnyDetector>(*other.detector_)) {}

Session& Session::operator=(const Session& other) {
  Session copy(other);
  *this = std::move(copy);
  return *this;
}

Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

const Columns* Session::known_columns() {
  if (columns_) return &*columns_;
  std::vector<std::string> names = detector_->config().columns;
  const Statistics stats = detector_->stats();
  if (names.empty() && (stats.total_processed > 0 || stats.is_ready())) {
    for (std::size_t i = 0; i < detector_->config().n_features; ++i) {
      names.push_back("f" + std::to_string(i));
    }
  }
  if (names.empty()) return nullptr;
  return &columns_.emplace(std::move(names));
}

template <class Names>
std::vector<std::size_t> Session::order_of(const Names& names) {
  const Columns* columns = names.empty() ? nullptr : known_columns();
  if (columns == nullptr || in_order(columns->names(), names)) return {};
  return columns->order(to_strings(names));
}

RowView Session::arranged(const Row& row) {
  const std::vector<std::size_t> order = order_of(row.names);
  if (order.empty()) return row.values;
  arranged_.resize(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) arranged_[order[i]] = row.values[i];
  return arranged_;
}

CellRow Session::arranged_cells(const Row& row) {
  const std::vector<std::size_t> order = order_of(row.names);
  const auto place = [&](std::size_t column) { return order.empty() ? column : order[column]; };
  cells_.resize(row.values.size());
  for (std::size_t i = 0; i < cells_.size(); ++i) cells_[place(i)] = row.values[i];
  for (const MarkedCell& one : row.marked) cells_[place(one.column)] = one.cell;
  return cells_;
}

template <class Use>
auto Session::with_arranged(const Row& row, const Use& use) {
  if (has_schema_) return use(arranged_cells(row));
  if (!row.marked.empty()) require_numbers(row);
  return use(arranged(row));
}

template <class Names>
AnyDetector Session::named(const Names& names) const {
  const std::size_t width = detector_->config().n_features;
  if (width != 0 && width != names.size()) {
    throw to_error(RowFault{ErrorCode::width_mismatch, 0, names.size(), width});
  }
  std::vector<std::string> columns = to_strings(names);
  (void)Columns(columns);  // a name that comes twice is the row's error, not the settings'
  AnyDetector named(*detector_);
  named.name_columns(std::move(columns));
  return named;
}

Result Session::process(const Row& row, std::optional<double> timestamp) {
  Result result;
  if (!row.names.empty() && known_columns() == nullptr) {
    AnyDetector fresh = named(row.names);
    result = with_arranged(row, [&](auto values) { return fresh.process(values, timestamp); });
    *detector_ = std::move(fresh);
  } else {
    result = with_arranged(row, [&](auto values) { return detector_->process(values, timestamp); });
  }
  is_ready_ = result.scored;
  return result;
}

template <class Use>
void Session::with_arranged(const Batch& batch, const Use& use) {
  if (!has_schema_) require_numbers(batch);
  std::optional<AnyDetector> fresh;
  if (!batch.names.empty() && known_columns() == nullptr) {
    if (batch.rows.empty()) throw to_error(RowFault{ErrorCode::batch_empty});
    fresh.emplace(named(batch.names));
  }
  AnyDetector& detector = fresh ? *fresh : *detector_;
  std::vector<std::size_t> order = order_of(batch.names);
  if (has_schema_) {
    BatchCells cells(batch, std::move(order));
    use(detector, cells.rows());
    return;
  }
  if (order.empty()) {
    use(detector, batch.rows);
    return;
  }
  Matrix arranged(batch.rows.n_rows(), order.size());
  for (std::size_t i = 0; i < arranged.n_rows(); ++i) {
    for (std::size_t j = 0; j < order.size(); ++j) arranged(i, order[j]) = batch.rows(i, j);
  }
  use(detector, arranged.view());
}

void Session::process_many(const Batch& batch, std::span<Result> results,
                           std::span<const double> timestamps) {
  with_arranged(batch, [&](AnyDetector& detector, const auto& rows) {
    detector.process_many(rows, results, timestamps);
    if (&detector != detector_.get()) *detector_ = std::move(detector);
  });
  if (!results.empty()) is_ready_ = results.back().scored;
}

void Session::check(const Batch& batch, std::span<const double> timestamps) {
  with_arranged(batch, [&](const AnyDetector& detector, const auto& rows) {
    detector.check(rows, timestamps);
  });
}

Score Session::score(const Row& row) {
  return with_arranged(row, [&](auto values) { return detector_->score(values); });
}

ExplainedScore Session::explain(const Row& row) {
  return with_arranged(row, [&](auto values) {
    return ExplainedScore{detector_->explain(values), detector_->score(values)};
  });
}

void Session::retrain() { detector_->retrain(); }

void Session::reset() noexcept {
  detector_->reset();
  is_ready_ = false;
}

std::optional<AnyTraining> Session::training() const { return detector_->training(); }

bool Session::publish(const TrainedModel& model) { return detector_->publish(model); }

bool Session::abandon_training(std::string_view why, std::optional<std::uint64_t> number) noexcept {
  return detector_->abandon_training(why, number);
}

void Session::adopt() noexcept { detector_->adopt(); }

std::function<void()> Session::waiter() const { return detector_->waiter(); }

Statistics Session::stats() const { return detector_->stats(); }

nlohmann::json Session::settings() const { return detector_->settings(); }

std::vector<std::string> Session::columns() {
  const Columns* columns = known_columns();
  return columns == nullptr ? std::vector<std::string>{} : to_strings(columns->names());
}

std::vector<std::string> Session::feature_names() const {
  return detector_->config().n_features == 0 ? std::vector<std::string>{}
                                             : detector_->feature_names();
}

std::vector<std::size_t> Session::feature_columns() const { return detector_->feature_columns(); }

std::vector<std::byte> Session::snapshot() { return freshet::snapshot(*detector_); }

}  // namespace freshet::python
