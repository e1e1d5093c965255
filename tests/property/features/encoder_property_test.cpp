#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "freshet/core/random.hpp"
#include "freshet/features/cell.hpp"
#include "freshet/features/encoder.hpp"
#include "freshet/features/encoding.hpp"
#include "freshet/features/stable_hash.hpp"
#include "freshet/io/archive.hpp"
#include "support/catch.hpp"

namespace {

using freshet::Cell;
using freshet::ColumnEncoding;
using freshet::Encoder;
using freshet::Encoding;
using freshet::RandomGenerator;

/// A cell that owns its text.
using Value = std::variant<double, std::int64_t, bool, std::string>;
using Values = std::vector<Value>;

std::vector<Cell> cells_of(const Values& values) {
  std::vector<Cell> cells;
  for (const Value& value : values) {
    std::visit([&](const auto& one) { cells.emplace_back(one); }, value);
  }
  return cells;
}

std::string text_of(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return std::to_string(*integer);
  const double number = *std::get_if<double>(&value);
  if (number == std::trunc(number)) return std::to_string(static_cast<long long>(number));
  std::string text(40, '0');
  for (int digits = 1; std::stod(text) != number; ++digits) {
    (void)std::snprintf(text.data(), text.size(), "%.*g", digits, number);
  }
  return text.c_str();
}

/// The encodings as their descriptions say, from all rows at once.
class Reference {
 public:
  explicit Reference(ColumnEncoding settings) : settings_(std::move(settings)) {}

  std::vector<double> stream(const std::vector<Value>& before, const Value& value) const {
    const auto order = categories(before);
    const std::string text = text_of(value);
    const auto place =
        static_cast<std::size_t>(std::find(order.begin(), order.end(), text) - order.begin());
    switch (settings_.encoding) {
      case Encoding::label:
        return {static_cast<double>(place)};
      case Encoding::frequency:
        return {static_cast<double>(count(before, text) + 1) /
                static_cast<double>(before.size() + 1)};
      case Encoding::onehot: {
        std::vector<double> slots(settings_.max_categories.value_or(16) + 1, 0.0);
        slots[std::min(place, slots.size() - 1)] = 1.0;
        return slots;
      }
      default:
        return {alone(value)};
    }
  }

  std::vector<double> fitted(const std::vector<Value>& rows, const Value& value) const {
    auto order = categories(rows);
    const std::string text = text_of(value);
    switch (settings_.encoding) {
      case Encoding::label:
        return stream(rows, value);
      case Encoding::frequency:
        return {static_cast<double>(count(rows, text)) / static_cast<double>(rows.size())};
      case Encoding::onehot: {
        order.resize(std::min(order.size(), settings_.max_categories.value_or(order.size())));
        std::vector<double> slots;
        for (const std::string& category : order) slots.push_back(category == text ? 1.0 : 0.0);
        return slots;
      }
      default:
        return {alone(value)};
    }
  }

 private:
  static std::vector<std::string> categories(const std::vector<Value>& rows) {
    std::vector<std::string> order;
    for (const Value& value : rows) {
      const std::string text = text_of(value);
      if (std::find(order.begin(), order.end(), text) == order.end()) order.push_back(text);
    }
    return order;
  }

  static std::ptrdiff_t count(const std::vector<Value>& rows, const std::string& text) {
    return std::count_if(rows.begin(), rows.end(),
                         [&](const Value& value) { return text_of(value) == text; });
  }

  [[nodiscard]] double alone(const Value& value) const {
    if (settings_.encoding == Encoding::hash) return freshet::stable_hash(text_of(value));
    const std::string text = text_of(value);
    if (settings_.encoding == Encoding::binary) {
      return text == "true" || text == "Yes" || text == "1" ? 1.0 : 0.0;
    }
    const auto* integer = std::get_if<std::int64_t>(&value);
    return integer != nullptr ? static_cast<double>(*integer) : *std::get_if<double>(&value);
  }

  ColumnEncoding settings_;
};

struct Table {
  std::vector<std::string> columns;
  freshet::Schema schema;
  std::vector<Values> rows;

  /// The first rows, as cells in one scratch row.
  freshet::CellRows cells(std::size_t n_rows) const {
    return {n_rows, columns.size(), [this, scratch = std::vector<Cell>()](std::size_t i) mutable {
              scratch = cells_of(rows[i]);
              return freshet::CellRow(scratch);
            }};
  }
};

Value random_value(RandomGenerator& random, Encoding encoding, std::uint64_t variety) {
  if (encoding == Encoding::numeric) {
    if (random.below(3) == 0) return static_cast<std::int64_t>(random.below(100));
    return random.normal();
  }
  if (encoding == Encoding::binary) {
    const std::vector<Value> words{"Yes", "no", true, false, 1.0, std::int64_t{0}, "off"};
    return words[random.below(words.size())];
  }
  const std::uint64_t which = random.below(variety);
  switch (which % 5) {
    case 0:
      return static_cast<double>(which) + 0.5 * random.uniform() * (random.below(2) == 0 ? 0 : 1);
    case 1:
      return static_cast<std::int64_t>(which);
    case 2:
      return which % 2 == 0;
    case 3:
      return static_cast<double>(which) * 1e-9;
    default:
      return std::string(which % 30, 'x') + std::to_string(which % 7);
  }
}

Table random_table(RandomGenerator& random) {
  Table table;
  const auto n_columns = 1 + random.below(8);
  std::vector<Encoding> encodings;
  for (std::uint64_t j = 0; j < n_columns; ++j) {
    const auto encoding = static_cast<Encoding>(random.below(6));
    encodings.push_back(encoding);
    table.columns.push_back("column " + std::to_string(j));
    if (encoding == Encoding::numeric && random.below(2) == 0) continue;
    ColumnEncoding settings{table.columns.back(), encoding};
    if (encoding == Encoding::onehot && random.below(2) == 0) {
      settings.max_categories = 1 + random.below(20);
    }
    table.schema.insert(table.schema.begin(), settings);  // in another order than the columns
  }
  const std::uint64_t variety = 1 + random.below(60);
  for (std::uint64_t i = 1 + random.below(120); i > 0; --i) {
    Values row;
    for (const Encoding encoding : encodings)
      row.push_back(random_value(random, encoding, variety));
    table.rows.push_back(std::move(row));
  }
  return table;
}

std::vector<Reference> references(const Table& table) {
  std::map<std::string, ColumnEncoding> named;
  for (const ColumnEncoding& column : table.schema) named[column.column] = column;
  std::vector<Reference> all;
  for (const std::string& column : table.columns) all.emplace_back(named[column]);
  return all;
}

std::vector<Value> column(const std::vector<Values>& rows, std::size_t j, std::size_t n_rows) {
  std::vector<Value> values;
  for (std::size_t i = 0; i < n_rows; ++i) values.push_back(rows[i][j]);
  return values;
}

std::vector<double> encoded(const Encoder& encoder, const Values& row) {
  std::vector<double> out(encoder.n_outputs());
  encoder.encode(cells_of(row), out);
  return out;
}

Encoder restored(const Encoder& encoder) {
  freshet::ArchiveWriter writer;
  writer(encoder);
  freshet::ArchiveReader reader(writer.bytes());
  Encoder copy;
  reader(copy);
  return copy;
}

}  // namespace

TEST_CASE("rows of random streams are encoded as described, across snapshots too") {
  const auto seed = GENERATE(range(std::uint64_t{1}, std::uint64_t{101}));
  CAPTURE(seed);
  RandomGenerator random(seed);
  const Table table = random_table(random);
  const auto plain = references(table);
  Encoder encoder(table.columns, table.schema);
  std::vector<double> all;
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    std::vector<double> expected;
    for (std::size_t j = 0; j < plain.size(); ++j) {
      const auto outputs = plain[j].stream(column(table.rows, j, i), table.rows[i][j]);
      for (std::size_t k = 0; k < outputs.size(); ++k) {
        REQUIRE(encoder.column_of(expected.size() + k) == j);
      }
      expected.insert(expected.end(), outputs.begin(), outputs.end());
    }
    REQUIRE(encoded(encoder, table.rows[i]) == expected);
    encoder.learn(cells_of(table.rows[i]));
    all.insert(all.end(), expected.begin(), expected.end());
    if (random.below(10) == 0) {
      Encoder twin = restored(encoder);
      REQUIRE(twin == encoder);
      encoder = std::move(twin);
    }
  }

  Encoder together(table.columns, table.schema);
  std::vector<double> out(all.size());
  together.encode_many(table.cells(table.rows.size()), out);
  CHECK(out == all);
  CHECK(together == encoder);
  CHECK(together.names().size() == together.n_outputs());
}

TEST_CASE("an encoder fitted to random rows encodes those and others as described") {
  const auto seed = GENERATE(range(std::uint64_t{201}, std::uint64_t{261}));
  CAPTURE(seed);
  RandomGenerator random(seed);
  const Table table = random_table(random);
  const auto plain = references(table);
  const std::size_t n_known = 1 + random.below(table.rows.size());
  Encoder encoder = Encoder::fit(table.columns, table.schema, table.cells(n_known));
  if (random.below(2) == 0) encoder = restored(encoder);
  for (const Values& row : table.rows) {
    std::vector<double> expected;
    for (std::size_t j = 0; j < plain.size(); ++j) {
      const auto outputs = plain[j].fitted(column(table.rows, j, n_known), row[j]);
      expected.insert(expected.end(), outputs.begin(), outputs.end());
    }
    REQUIRE(encoded(encoder, row) == expected);
  }
}

TEST_CASE("rows of which one is refused change nothing, whichever it is") {
  const auto seed = GENERATE(range(std::uint64_t{301}, std::uint64_t{341}));
  CAPTURE(seed);
  RandomGenerator random(seed);
  Table table = random_table(random);
  Encoder encoder(table.columns, table.schema);
  for (std::size_t i = 0; i < table.rows.size() / 2; ++i) encoder.learn(cells_of(table.rows[i]));
  const Encoder before = encoder;
  const auto row = static_cast<std::size_t>(random.below(table.rows.size()));
  const auto column = static_cast<std::size_t>(random.below(table.columns.size()));
  table.rows[row][column] = 1e101;
  std::vector<double> out(table.rows.size() * encoder.n_outputs());
  try {
    encoder.encode_many(table.cells(table.rows.size()), out);
    FAIL("nothing was refused");
  } catch (const freshet::DataError& error) {
    CHECK(error.row() == row);
    CHECK(error.column() == column);
    CHECK(error.field() == table.columns[column]);
  }
  CHECK(encoder == before);
}

TEST_CASE("reading an encoder from damaged bytes ends in an encoder or in an error") {
  const auto seed = GENERATE(range(std::uint64_t{401}, std::uint64_t{441}));
  CAPTURE(seed);
  RandomGenerator random(seed);
  const Table table = random_table(random);
  Encoder encoder(table.columns, table.schema);
  for (const Values& row : table.rows) encoder.learn(cells_of(row));
  freshet::ArchiveWriter writer;
  writer(encoder);
  for (int n = 0; n < 50; ++n) {
    std::vector<std::byte> bytes = writer.bytes();
    for (std::uint64_t k = 1 + random.below(3); k > 0; --k) {
      bytes[random.below(bytes.size())] = static_cast<std::byte>(random.below(256));
    }
    if (random.below(5) == 0) bytes.resize(random.below(bytes.size()));
    freshet::ArchiveReader reader(bytes);
    Encoder copy;
    try {
      reader(copy);
    } catch (const freshet::SnapshotError&) {
      continue;
    }
    REQUIRE(restored(copy) == copy);
    REQUIRE(copy.names().size() == copy.n_outputs());
  }
}
