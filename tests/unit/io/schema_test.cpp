// Detectors whose rows are encoded first.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "freshet/backends/hbos.hpp"
#include "freshet/core/random.hpp"
#include "freshet/features/cell.hpp"
#include "freshet/features/encoder.hpp"
#include "freshet/features/encoding.hpp"
#include "freshet/io/any_detector.hpp"
#include "freshet/io/archive.hpp"
#include "freshet/io/snapshot.hpp"
#include "freshet/stream/streaming_detector.hpp"
#include "support/catch.hpp"

namespace {

using freshet::AnyDetector;
using freshet::Cell;
using freshet::CellRow;
using freshet::CellRows;
using freshet::Encoder;
using freshet::Encoding;
using freshet::Result;
using nlohmann::json;
using Cells = std::vector<Cell>;

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

const freshet::Schema schema{{"color", Encoding::onehot, 2}, {"city", Encoding::frequency}};

json settings() {
  return json::parse(R"({
    "backend": "hbos", "columns": ["size", "color", "city"], "min_samples": 20,
    "retrain_interval": 15, "window_size": 40, "retrain": "inline", "rolling_windows": [3],
    "schema": {"color": {"encoding": "onehot", "max_categories": 2}, "city": "frequency"}})");
}

/// `n_rows` rows of three cells.
Cells random_cells(std::size_t n_rows) {
  freshet::RandomGenerator random(3);
  const Cells colors{"red", "green", "blue", 1, true};
  Cells cells;
  for (std::size_t i = 0; i < n_rows; ++i) {
    cells.emplace_back(random.normal());
    cells.push_back(colors[random.below(colors.size())]);
    cells.emplace_back(static_cast<double>(random.below(4)) / 2.0);
  }
  return cells;
}

bool same(const Result& a, const Result& b) {
  return a.scored == b.scored && a.index == b.index && a.is_anomaly == b.is_anomaly &&
         (!a.scored || (a.score == b.score && a.raw_score == b.raw_score));
}

template <class Use>
freshet::DataError refused(const Use& use) {
  try {
    use();
  } catch (const freshet::DataError& error) {
    return error;
  }
  FAIL("nothing was thrown");
  return {freshet::ErrorCode::batch_empty, ""};
}

}  // namespace

TEST_CASE("a detector with a schema gives the results of one that gets encoded rows") {
  const Cells cells = random_cells(120);
  const CellRows rows(cells, 3);
  Encoder encoder({"size", "color", "city"}, schema);
  freshet::Matrix numbers(120, encoder.n_outputs());
  std::vector<double> encoded(numbers.n_rows() * numbers.n_columns());
  encoder.encode_many(rows, encoded);
  std::copy(encoded.begin(), encoded.end(), numbers.row(0).begin());

  json plain = settings();
  plain.erase("schema");
  plain.erase("columns");
  AnyDetector expected(plain);
  AnyDetector singly(settings());
  AnyDetector batched(settings());
  std::vector<Result> results(120);
  batched.process_many(CellRows(CellRow(cells).first(3 * 50), 3), std::span(results).first(50));
  batched = freshet::restore<AnyDetector>(freshet::snapshot(batched));
  batched.process_many(CellRows(CellRow(cells).subspan(3 * 50), 3), std::span(results).subspan(50));
  for (std::size_t i = 0; i < rows.n_rows(); ++i) {
    const Result result = expected.process(numbers.row(i));
    if (result.scored) {
      CHECK(singly.score(rows.row(i)).raw_score == result.raw_score);
      CHECK(singly.explain(rows.row(i)).size() == singly.feature_names().size());
    }
    CHECK(same(singly.process(rows.row(i)), result));
    CHECK(same(results[i], result));
  }
  // Their snapshots differ in how long the training took, so what they do next is compared.
  for (std::size_t i = 0; i < rows.n_rows(); ++i) {
    CHECK(same(singly.process(rows.row(i)), batched.process(rows.row(i))));
  }
  CHECK(singly.feature_names().at(1).starts_with("color_"));
  CHECK(singly.feature_columns() == std::vector<std::size_t>{0, 1, 1, 1, 2, 0, 0, 0, 0, 1, 1, 1, 1,
                                                             1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2});
  CHECK(singly.settings()["schema"] == settings()["schema"]);
  CHECK(AnyDetector(singly.settings()).settings() == singly.settings());
}

TEST_CASE("a static detector takes a schema as well") {
  freshet::StreamingConfig config{.n_features = 2, .min_samples = 5, .window_size = 20};
  config.schema = {{"f1", Encoding::label}};
  freshet::StreamingDetector detector(freshet::Hbos{}, config);
  for (int i = 0; i < 10; ++i) {
    CHECK(detector.process(Cells{1.0 * i, i % 2 == 0 ? "even" : "odd"}).index ==
          static_cast<std::uint64_t>(i));
  }
  CHECK(detector.encoder().n_rows() == 10);
  // Rows of numbers are rows of cells.
  const auto number = detector.score(std::vector<double>{3.0, 7.0});
  CHECK(number.raw_score == detector.score(Cells{3.0, "7"}).raw_score);
  CHECK(number.raw_score == detector.score(Cells{3.0, 7}).raw_score);
  CHECK(detector.process(std::vector<double>{3.0, 7.0}).raw_score == number.raw_score);
  freshet::Matrix rows(2, 2);
  std::vector<Result> results(2);
  detector.process_many(rows, results);
  CHECK(detector.encoder().state().categories[1] ==
        std::vector<std::string>{"even", "odd", "7", "0"});
  const auto outcome = detector.try_process(std::vector<double>{1.0});
  CHECK(outcome.error().code == freshet::ErrorCode::width_mismatch);
  CHECK(detector.try_process(std::vector<double>{1.0, not_a_number}).error().column == 1);

  freshet::StreamingDetector copy(detector);
  detector.reset();
  CHECK(detector.encoder().n_rows() == 0);
  CHECK(copy.encoder().n_rows() == 13);
  config.schema = {{"f2", Encoding::label}};
  CHECK_THROWS_AS(freshet::StreamingDetector(freshet::Hbos{}, config), freshet::ConfigurationError);
}

TEST_CASE("a detector without a schema takes cells that are numbers") {
  freshet::StreamingDetector detector(freshet::Hbos{}, {.n_features = 2, .min_samples = 5});
  freshet::StreamingDetector plain(detector);
  for (int i = 0; i < 10; ++i) {
    CHECK(same(detector.process(Cells{1.0 * i, i}), plain.process(std::vector<double>(2, i))));
  }
  const auto before = freshet::snapshot(detector);
  const auto error = refused([&] { (void)detector.process(Cells{1.0, "two"}); });
  CHECK((error.column() == 1 && error.field() == "f1"));
  CHECK(freshet::snapshot(detector) == before);
}

TEST_CASE("a row that is refused leaves no trace in the encoder either") {
  AnyDetector detector(settings());
  const Cells cells = random_cells(30);
  std::vector<Result> results(30);
  detector.process_many(CellRows(cells, 3), results, std::vector<double>(30, 7.0));
  const auto before = freshet::snapshot(detector);
  const auto unchanged = [&](const freshet::DataError& error) {
    CHECK(freshet::snapshot(detector) == before);
    return error;
  };
  const Cells bad{1.0, "new", "new", 2.0, "newer", not_a_number};
  const CellRows rows(bad, 3);
  const auto cell = unchanged(refused([&] { detector.process_many(rows, results); }));
  CHECK((cell.row() == 1 && cell.column() == 2 && cell.field() == "city"));
  CHECK(unchanged(refused([&] { detector.check(rows); })).row() == 1);
  CHECK(unchanged(refused([&] { (void)detector.process(rows.row(1)); })).column() == 2);
  CHECK(unchanged(refused([&] { (void)detector.score(rows.row(1)); })).column() == 2);
  const auto late = unchanged(refused([&] { (void)detector.process(rows.row(0), 6.0); }));
  CHECK(late.code() == freshet::ErrorCode::timestamp_out_of_order);
  const CellRows good(CellRow(bad).first(3), 3);
  results.resize(1);
  const std::vector<double> early{6.0};
  (void)unchanged(refused([&] { detector.process_many(good, results, early); }));
  results.resize(2);
  (void)unchanged(refused([&] { detector.process_many(good, results); }));
  (void)unchanged(refused([&] { (void)detector.process(Cells{1.0, "new"}); }));
}

TEST_CASE("the first row decides where the columns of a schema are") {
  AnyDetector detector(json::parse(R"({"schema": {"f1": "label"}})"));
  CHECK(refused([&] { (void)detector.process(Cells{1.0}); }).code() ==
        freshet::ErrorCode::column_missing);
  CHECK(refused([&] { detector.check(CellRows(Cells{1.0}, 1)); }).field() == "f1");
  CHECK(refused([&] { detector.name_columns({"a", "b"}); }).field() == "f1");
  CHECK(detector.config().n_features == 0);
  CHECK(detector.process(Cells{1.0, "x"}).index == 0);
  CHECK(detector.config().n_features == 2);
  CHECK(detector.config().columns.empty());
  auto twin = freshet::restore<AnyDetector>(freshet::snapshot(detector));
  CHECK(freshet::snapshot(twin) == freshet::snapshot(detector));
  AnyDetector waiting(json::parse(R"({"schema": {"b": "onehot", "a": "hash"}})"));
  auto restored = freshet::restore<AnyDetector>(freshet::snapshot(waiting));
  CHECK(restored.settings() == waiting.settings());
  restored.name_columns({"a", "b", "c"});
  CHECK(restored.process(Cells{1.0, "x", 2}).index == 0);
}

TEST_CASE("a snapshot whose encoder is another schema's is refused") {
  freshet::StreamingConfig config{.n_features = 1, .min_samples = 5};
  config.schema = {{"f0", Encoding::frequency}};
  freshet::StreamingDetector detector(freshet::Hbos{}, config);
  for (int i = 0; i < 3; ++i) (void)detector.process(Cells{"text"});
  freshet::ArchiveWriter whole;
  whole(detector);
  freshet::ArchiveWriter part;
  part(detector.encoder());
  const std::vector<std::byte>& bytes = whole.bytes();
  const auto found =
      std::search(bytes.begin(), bytes.end(), part.bytes().begin(), part.bytes().end());
  REQUIRE(found != bytes.end());
  const auto restored_with = [&](const std::vector<std::byte>& encoder) {
    std::vector<std::byte> state(bytes.begin(), found);
    state.insert(state.end(), encoder.begin(), encoder.end());
    state.insert(state.end(), found + std::ssize(part.bytes()), bytes.end());
    freshet::ArchiveReader reader(state);
    return freshet::StreamingDetector<freshet::Hbos>::read(reader, nullptr);
  };
  CHECK(restored_with(part.bytes()).encoder() == detector.encoder());
  const auto other = [](std::vector<std::string> columns, freshet::Schema others) {
    freshet::ArchiveWriter writer;
    writer(Encoder(std::move(columns), std::move(others)));
    return writer.bytes();
  };
  CHECK_THROWS_AS(restored_with(other({"f0"}, {{"f0", Encoding::label}})), freshet::SnapshotError);
  CHECK_THROWS_AS(restored_with(other({"f0", "f1"}, {{"f0", Encoding::frequency}})),
                  freshet::SnapshotError);
  CHECK_THROWS_AS(restored_with(other({"f1"}, {{"f1", Encoding::frequency}})),
                  freshet::SnapshotError);
  freshet::ArchiveWriter fitted;
  fitted(Encoder::fit({"f0"}, config.schema, {Cells{"text"}, 1}));
  CHECK_THROWS_AS(restored_with(fitted.bytes()), freshet::SnapshotError);
  for (std::size_t i = 0; i < part.bytes().size(); ++i) {
    auto damaged = part.bytes();
    damaged[i] ^= std::byte{1};
    try {
      auto restored = restored_with(damaged);  // a letter of a category, or a count
      (void)restored.process(Cells{"text"});
    } catch (const freshet::SnapshotError&) {
    }
  }
}
