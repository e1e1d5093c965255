#include "session.hpp"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "freshet/core/columns.hpp"
#include "freshet/core/error.hpp"
#include "freshet/core/validate.hpp"
#include "freshet/io/any_detector.hpp"
#include "freshet/io/bundle.hpp"
#include "freshet/io/json_fields.hpp"
#include "freshet/io/snapshot.hpp"
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

}  // namespace

Session::Session(std::unique_ptr<AnyDetector> detector)
    : detector_(std::move(detector)),
      trains_inline_(detector_->config().retrain == Retrain::inline_) {}

Session::Session(const nlohmann::json& settings) : Session(make_detector(settings)) {}

Session Session::restore(std::span<const std::byte> bytes) {
  return Session(std::make_unique<AnyDetector>(freshet::restore<AnyDetector>(bytes)));
}

Session Session::from_bundle(const std::filesystem::path& path, const nlohmann::json& settings) {
  const Bundle bundle = load_bundle(path);
  StreamingConfig config = bundle.streaming_config();
  JsonReader reader(settings);
  config.visit_fields(reader);
  reader.require_all_known();
  return Session(
      std::make_unique<AnyDetector>(freshet::make_detector(load_bundle(path), std::move(config))));
}

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
  if (names.empty() && detector_->stats().total_processed > 0) {
    for (std::size_t i = 0; i < detector_->config().n_features; ++i) {
      names.push_back("f" + std::to_string(i));
    }
  }
  if (names.empty()) return nullptr;
  return &columns_.emplace(std::move(names));
}

RowView Session::arranged(const Row& row) {
  const Columns* columns = row.names.empty() ? nullptr : known_columns();
  if (columns == nullptr || in_order(columns->names(), row.names)) return row.values;
  const std::vector<std::size_t> order = columns->order(to_strings(row.names));
  arranged_.resize(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) arranged_[order[i]] = row.values[i];
  return arranged_;
}

template <class Names, class Use>
void Session::name_columns(const Names& names, const Use& use) {
  const std::size_t width = detector_->config().n_features;
  if (width != 0 && width != names.size()) {
    throw to_error(RowFault{ErrorCode::width_mismatch, 0, names.size(), width});
  }
  std::vector<std::string> columns = to_strings(names);
  (void)Columns(columns);  // a name that comes twice is the row's error, not the settings'
  AnyDetector named(*detector_);
  named.name_columns(std::move(columns));
  use(named);
  *detector_ = std::move(named);
}

Result Session::process(const Row& row, std::optional<double> timestamp) {
  Result result;
  if (!row.names.empty() && known_columns() == nullptr) {
    name_columns(row.names,
                 [&](AnyDetector& named) { result = named.process(row.values, timestamp); });
  } else {
    result = detector_->process(arranged(row), timestamp);
  }
  is_ready_ = result.scored;
  return result;
}

void Session::process_many(const Batch& batch, std::span<Result> results,
                           std::span<const double> timestamps) {
  const Columns* columns = batch.names.empty() ? nullptr : known_columns();
  if (!batch.names.empty() && columns == nullptr) {
    if (batch.rows.empty()) throw to_error(RowFault{ErrorCode::batch_empty});
    name_columns(batch.names,
                 [&](AnyDetector& named) { named.process_many(batch.rows, results, timestamps); });
    return;
  }
  if (columns == nullptr || in_order(columns->names(), batch.names)) {
    detector_->process_many(batch.rows, results, timestamps);
    return;
  }
  const std::vector<std::size_t> order = columns->order(batch.names);
  Matrix arranged(batch.rows.n_rows(), order.size());
  for (std::size_t i = 0; i < arranged.n_rows(); ++i) {
    for (std::size_t j = 0; j < order.size(); ++j) arranged(i, order[j]) = batch.rows(i, j);
  }
  detector_->process_many(arranged, results, timestamps);
}

Score Session::score(const Row& row) { return detector_->score(arranged(row)); }

ExplainedScore Session::explain(const Row& row) {
  const RowView values = arranged(row);
  return {detector_->explain(values), detector_->score(values)};
}

void Session::retrain() { detector_->retrain(); }

void Session::reset() noexcept {
  detector_->reset();
  is_ready_ = false;
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
