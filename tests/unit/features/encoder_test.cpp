#include "freshet/features/encoder.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "freshet/core/error.hpp"
#include "freshet/features/cell.hpp"
#include "freshet/features/encoding.hpp"
#include "freshet/features/stable_hash.hpp"
#include "freshet/io/archive.hpp"
#include "support/catch.hpp"

namespace {

using freshet::Cell;
using freshet::ConfigurationError;
using freshet::DataError;
using freshet::Encoder;
using freshet::EncoderState;
using freshet::Encoding;
using freshet::ErrorCode;
using Cells = std::vector<Cell>;
using Rows = std::vector<Cells>;

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

freshet::CellRows view(const Rows& rows) {
  return {rows.size(), rows.front().size(),
          [&](std::size_t i) { return freshet::CellRow(rows[i]); }};
}

std::vector<double> encoded(const Encoder& encoder, const Cells& row) {
  std::vector<double> out(encoder.n_outputs());
  encoder.encode(row, out);
  return out;
}

std::vector<double> next(Encoder& encoder, const Cells& row) {
  const auto out = encoded(encoder, row);
  encoder.learn(row);
  return out;
}

/// What cells become, one after the other, in a column of this encoding.
std::vector<double> column(Encoding encoding, const Cells& cells) {
  Encoder encoder({"c"}, {{"c", encoding}});
  std::vector<double> out;
  for (const Cell& cell : cells) out.push_back(next(encoder, {cell}).front());
  return out;
}

Encoder fit(Encoding encoding, const Cells& cells) {
  return Encoder::fit({"c"}, {{"c", encoding}}, {cells, 1});
}

template <class Use>
DataError refused(const Use& use) {
  try {
    use();
  } catch (const DataError& error) {
    return error;
  }
  FAIL("nothing was thrown");
  return {ErrorCode::batch_empty, ""};
}

template <class Use>
std::string wrong_setting(const Use& use) {
  try {
    use();
  } catch (const ConfigurationError& error) {
    return error.field();
  }
  FAIL("nothing was thrown");
  return "";
}

Encoder restored(const Encoder& encoder) {
  freshet::ArchiveWriter writer;
  writer(encoder);
  freshet::ArchiveReader reader(writer.bytes());
  Encoder copy;
  reader(copy);
  CHECK(reader.remaining() == 0);
  return copy;
}

}  // namespace

TEST_CASE("numbers stay as they are") {
  CHECK(column(Encoding::numeric, {1.5, -2, 0.0}) == std::vector<double>{1.5, -2.0, 0.0});
}

TEST_CASE("a stable hash is FNV-1a, folded") {
  // The 64-bit values are those that the authors publish.
  STATIC_REQUIRE(freshet::stable_hash("") == (0xcbf29ce4U ^ 0x84222325U));
  STATIC_REQUIRE(freshet::stable_hash("a") == (0xaf63dc4cU ^ 0x8601ec8cU));
  STATIC_REQUIRE(freshet::stable_hash("foobar") == (0x85944171U ^ 0xf73967e8U));
  CHECK(column(Encoding::hash, {"foobar", "Zürich"}) ==
        std::vector<double>{0x85944171U ^ 0xf73967e8U, freshet::stable_hash("Z\xc3\xbcrich")});
}

TEST_CASE("a category is the text of a cell") {
  const std::vector<std::pair<Cell, std::string_view>> same{
      {1.0, "1"},
      {1, "1"},
      {-0.0, "0"},
      {true, "true"},
      {false, "false"},
      {0.1, "0.1"},
      {-2.5e-7, "-2.5e-07"},
      {1e18, "1000000000000000000"},
      {std::int64_t{9007199254740993}, "9007199254740993"},
      {0x1.0p63, "9223372036854775808"},
      {-0x1.0p63, "-9223372036854775808"},
      {1e100, "1e+100"},
      {"", ""},
  };
  for (const auto& [cell, text] : same) {
    CAPTURE(text);
    CHECK(column(Encoding::hash, {cell}).front() == freshet::stable_hash(text));
    CHECK(column(Encoding::label, {"other", cell, text}) == std::vector<double>{0, 1, 1});
  }
}

TEST_CASE("labels count categories in order of first appearance") {
  CHECK(column(Encoding::label, {"b", "a", "b", "c", "a", "B"}) ==
        std::vector<double>{0, 1, 0, 2, 1, 3});
  const Encoder fitted = fit(Encoding::label, {"b", "a", "b"});
  CHECK(encoded(fitted, {"a"}) == std::vector<double>{1});
  CHECK(encoded(fitted, {"never seen"}) == std::vector<double>{2});
}

TEST_CASE("frequencies are shares of the rows so far, or of the rows it was fitted to") {
  CHECK(column(Encoding::frequency, {"a", "b", "a", "a", "c"}) ==
        std::vector<double>{1.0, 0.5, 2.0 / 3.0, 0.75, 0.2});
  const Encoder fitted = fit(Encoding::frequency, {"a", "b", "a", "a"});
  CHECK(encoded(fitted, {"a"}) == std::vector<double>{0.75});
  CHECK(encoded(fitted, {"c"}) == std::vector<double>{0.0});
}

TEST_CASE("binary knows yes and no in any case") {
  const Cells yes{"yes", "YES", "True", "y", "T", "on", "1", 1.0, 1, true};
  const Cells no{"no", "No", "FALSE", "n", "f", "oFF", "0", 0.0, 0, -0.0, false};
  CHECK(column(Encoding::binary, yes) == std::vector<double>(yes.size(), 1.0));
  CHECK(column(Encoding::binary, no) == std::vector<double>(no.size(), 0.0));
  const Encoder encoder({"x", "on sale"}, {{"on sale", Encoding::binary}});
  for (const Cell& cell : Cells{"maybe", "", " yes", "ja", "1.0", 2.0, 0.5, -1, "\xff"}) {
    const auto error = refused([&] { (void)encoded(encoder, {0.0, cell}); });
    CHECK((error.row() == 0 && error.column() == 1 && error.field() == "on sale"));
  }
}

TEST_CASE("one-hot columns of a stream have slots and one for the others") {
  Encoder encoder({"size", "color"}, {{"color", Encoding::onehot, 2}});
  REQUIRE(encoder.n_outputs() == 4);
  CHECK(encoder.names() ==
        std::vector<std::string>{"size", "color_slot_0", "color_slot_1", "color_other"});
  CHECK(next(encoder, {1.0, "red"}) == std::vector<double>{1, 1, 0, 0});
  CHECK(next(encoder, {2.0, "red"}) == std::vector<double>{2, 1, 0, 0});
  CHECK(encoder.names().at(1) == "color_red");
  CHECK(next(encoder, {3.0, "blue"}) == std::vector<double>{3, 0, 1, 0});
  CHECK(next(encoder, {4.0, "green"}) == std::vector<double>{4, 0, 0, 1});
  CHECK(next(encoder, {4.0, "red"}) == std::vector<double>{4, 1, 0, 0});
  CHECK(encoder.names() ==
        std::vector<std::string>{"size", "color_red", "color_blue", "color_other"});
  CHECK(encoder.column_of(0) == 0);
  for (std::size_t i = 1; i < 4; ++i) CHECK(encoder.column_of(i) == 1);
  CHECK(Encoder({"c"}, {{"c", Encoding::onehot}}).n_outputs() == 17);
}

TEST_CASE("fitted one-hot columns have the categories of the rows and no others") {
  const Encoder encoder = fit(Encoding::onehot, {"a", "b", "a"});
  CHECK(encoder.names() == std::vector<std::string>{"c_a", "c_b"});
  CHECK(encoded(encoder, {"b"}) == std::vector<double>{0, 1});
  CHECK(encoded(encoder, {"z"}) == std::vector<double>{0, 0});

  const Encoder limited =
      Encoder::fit({"c"}, {{"c", Encoding::onehot, 2}}, {Cells{"a", "b", "c"}, 1});
  CHECK(limited.names() == std::vector<std::string>{"c_a", "c_b"});
  CHECK(encoded(limited, {"c"}) == std::vector<double>{0, 0});
}

TEST_CASE("a one-hot column is not fitted to more categories than it may have columns") {
  const auto fitted_to = [](std::int64_t n) {
    Cells cells;
    for (std::int64_t i = 0; i < n; ++i) cells.emplace_back(i);
    return Encoder::fit({"c"}, {{"c", Encoding::onehot}}, {cells, 1});
  };
  CHECK(fitted_to(1024).n_outputs() == 1024);
  const auto error = refused([&] { (void)fitted_to(1030); });
  CHECK(error.row() == 1024);
  CHECK(error.field() == "c");
}

TEST_CASE("names that would be the same are told apart") {
  Encoder encoder({"a", "a_b", "a_b_2"}, {{"a", Encoding::onehot, 2}});
  encoder.learn(Cells{"b", 0.0, 0.0});
  encoder.learn(Cells{"b_2", 0.0, 0.0});
  CHECK(encoder.names() == std::vector<std::string>{"a_b", "a_b_2", "a_other", "a_b_3", "a_b_2_2"});
}

TEST_CASE("a cell that cannot be encoded is named with what was expected") {
  const Encoder encoder({"size", "active", "color"},
                        {{"active", Encoding::binary}, {"color", Encoding::label}});
  const auto error_of = [&](const Cells& row) {
    return refused([&] { encoder.require_row(row, 7); });
  };
  const auto text = error_of({"large", true, "red"});
  CHECK(text.code() == ErrorCode::value_non_finite);
  CHECK((text.row() == 7 && text.column() == 0 && text.field() == "size"));
  CHECK(text.expected() == "a finite number");
  CHECK(std::string(text.what()) == "row 7, column size: \"large\", expected a finite number");
  CHECK(std::string(error_of({true, true, "red"}).what()) ==
        "row 7, column size: true, expected a finite number");
  const auto unclear = error_of({1.0, "perhaps", "red"});
  CHECK(unclear.code() == ErrorCode::value_out_of_range);
  CHECK((unclear.column() == 1 && unclear.field() == "active"));
  CHECK_THAT(unclear.what(), Catch::Matchers::ContainsSubstring("\"perhaps\", expected yes"));
  CHECK(error_of({1.0, 3, "red"}).code() == ErrorCode::value_out_of_range);
  CHECK(error_of({not_a_number, true, "red"}).code() == ErrorCode::value_non_finite);
  CHECK(error_of({1e101, true, "red"}).code() == ErrorCode::value_out_of_range);
  CHECK(error_of({1.0, not_a_number, "red"}).code() == ErrorCode::value_non_finite);
  const auto no_category = error_of({1.0, true, not_a_number});
  CHECK(no_category.code() == ErrorCode::value_non_finite);
  CHECK(no_category.column() == 2);
  const auto width = error_of({1.0, true});
  CHECK(width.code() == ErrorCode::width_mismatch);
  CHECK(width.row() == 7);
}

TEST_CASE("errors show only the beginning of a text, in one line") {
  const Encoder encoder({"x"}, {});
  const std::string text = "line\n" + std::string(34, 'a') + "\xc3\xbc and more";
  const auto error = refused([&] { encoder.require_row(Cells{std::string_view(text)}); });
  CHECK(std::string(error.what()) ==
        "row 0, column x: \"line " + std::string(34, 'a') + "…\", expected a finite number");
}

TEST_CASE("encoding a row changes nothing, and neither does refusing rows") {
  Encoder encoder({"a", "b", "c"},
                  {{"a", Encoding::label}, {"b", Encoding::frequency}, {"c", Encoding::onehot, 3}});
  next(encoder, {"x", "x", "x"});
  const Encoder before = encoder;
  CHECK(encoded(encoder, {"new", "new", "new"}) == encoded(encoder, {"new", "new", "new"}));
  CHECK(encoder == before);

  std::vector<double> out(3 * encoder.n_outputs());
  const Rows rows{{"y", "y", "y"}, {"z", "z", "z"}, {"x", "x", not_a_number}};
  const auto error = refused([&] { encoder.encode_many(view(rows), out); });
  CHECK((error.row() == 2 && error.column() == 2));
  CHECK(encoder == before);
  const auto empty = refused([&] { encoder.encode_many({{}, 3}, {}); });
  CHECK(empty.code() == ErrorCode::batch_empty);
}

TEST_CASE("a batch is encoded as its rows are one by one") {
  Encoder one_by_one({"a", "b"}, {{"a", Encoding::label}, {"b", Encoding::frequency}});
  Encoder together = one_by_one;
  const Rows rows{{"x", "x"}, {"y", 1}, {"x", 1.0}, {"z", "x"}};
  std::vector<double> out(rows.size() * 2);
  together.encode_many(view(rows), out);
  std::vector<double> expected;
  for (const Cells& row : rows) {
    for (const double value : next(one_by_one, row)) expected.push_back(value);
  }
  CHECK(out == expected);
  CHECK(together == one_by_one);
}

TEST_CASE("a fitted encoder learns nothing and is not reset") {
  Encoder encoder = fit(Encoding::label, {"a", "b"});
  const Encoder before = encoder;
  encoder.learn(Cells{"c"});
  encoder.reset();
  CHECK(encoder == before);
  CHECK(encoder.is_fitted());
  CHECK(encoder.n_rows() == 2);
}

TEST_CASE("a column remembers 65536 categories, further ones count as one") {
  Encoder encoder({"label", "share"}, {{"label", Encoding::label}, {"share", Encoding::frequency}});
  const auto number = [](std::size_t i) { return static_cast<std::int64_t>(i); };
  constexpr std::size_t n = freshet::largest_n_categories;
  for (std::size_t i = 0; i < n; ++i) encoder.learn(Cells{number(i), number(i)});
  CHECK(encoded(encoder, {number(n - 1), "x"}).front() == n - 1);
  const double share = 1.0 / static_cast<double>(n + 1);
  CHECK(next(encoder, {"first", "first"}) == std::vector<double>{n, share});
  CHECK(next(encoder, {"second", "second"}) ==
        std::vector<double>{n, 2.0 / static_cast<double>(n + 2)});
  CHECK(next(encoder, {number(5), number(5)}) ==
        std::vector<double>{5, 2.0 / static_cast<double>(n + 3)});
  CHECK(restored(encoder) == encoder);
}

TEST_CASE("a column remembers 8 MiB of text") {
  const std::string large(freshet::largest_category_text - 2, 'x');
  const std::string larger(freshet::largest_category_text + 1, 'y');
  Encoder encoder({"l", "o", "f"},
                  {{"l", Encoding::label}, {"o", Encoding::onehot, 3}, {"f", Encoding::frequency}});
  const auto row = [](std::string_view text) { return Cells{text, text, text}; };
  constexpr double other = freshet::largest_n_categories;
  CHECK(next(encoder, row(larger)) == std::vector<double>{other, 0, 0, 0, 1, 1.0});
  CHECK(next(encoder, row(large)) == std::vector<double>{0, 1, 0, 0, 0, 0.5});
  CHECK(next(encoder, row("three")) == std::vector<double>{other, 0, 0, 0, 1, 2.0 / 3.0});
  CHECK(next(encoder, row("2")) == std::vector<double>{1, 0, 1, 0, 0, 0.25});
  CHECK(next(encoder, row("four")) == std::vector<double>{other, 0, 0, 0, 1, 0.6});
  CHECK(restored(encoder) == encoder);
}

TEST_CASE("a restored or copied encoder goes on independently, a reset one is as new") {
  const freshet::Schema schema{{"h", Encoding::hash},
                               {"l", Encoding::label},
                               {"o", Encoding::onehot, 2},
                               {"b", Encoding::binary},
                               {"f", Encoding::frequency}};
  Encoder encoder({"n", "h", "l", "o", "b", "f"}, schema);
  const Rows rows{{1.0, "a", "a", "a", true, "a"},
                  {2.0, "b", "b", "b", "no", "b"},
                  {3.0, "c", "a", "c", 1, "a"},
                  {4.0, 4.0, 4, "a", "Y", true}};
  for (std::size_t cut = 0; cut < rows.size(); ++cut) {
    Encoder twin = restored(encoder);
    Encoder copy = encoder;
    CHECK(twin == encoder);
    for (std::size_t i = cut; i < rows.size(); ++i) {
      CHECK(next(twin, rows[i]) == next(copy, rows[i]));
    }
    CHECK(Encoder(encoder.state()) == encoder);
    next(encoder, rows[cut]);
  }
  const Encoder fitted = Encoder::fit({"n", "h", "l", "o", "b", "f"}, schema, view(rows));
  CHECK(restored(fitted) == fitted);
  CHECK(Encoder(fitted.state()) == fitted);
  encoder.reset();
  CHECK(encoder == Encoder({"n", "h", "l", "o", "b", "f"}, schema));
}

TEST_CASE("a state that contradicts itself is refused") {
  Encoder encoder({"l", "f"}, {{"l", Encoding::label}, {"f", Encoding::frequency}});
  next(encoder, {"a", "a"});
  next(encoder, {"b", "a"});
  const auto field_of = [&](auto change) {
    EncoderState state = encoder.state();
    change(state);
    freshet::ArchiveWriter writer;
    writer(state);
    freshet::ArchiveReader reader(writer.bytes());
    Encoder copy;
    CHECK_THROWS_AS(reader(copy), freshet::SnapshotError);
    return wrong_setting([&] { (void)Encoder(std::move(state)); });
  };
  CHECK(field_of([](auto& state) { state.categories[0][1] = "a"; }) == "categories");
  CHECK(field_of([](auto& state) { state.categories[0].push_back("c"); }) == "categories");
  CHECK(field_of([](auto& state) { state.categories.pop_back(); }) == "categories");
  CHECK(field_of([](auto& state) { state.counts.pop_back(); }) == "counts");
  CHECK(field_of([](auto& state) { state.counts[1] = {3, 0}; }) == "counts");
  CHECK(field_of([](auto& state) { state.counts[1] = {0, 2}; }) == "counts");
  CHECK(field_of([](auto& state) { state.counts[1] = {1, 0}; }) == "counts");
  CHECK(field_of([](auto& state) { state.counts[1] = {2}; }) == "counts");
  CHECK(field_of([](auto& state) { state.counts[0] = {2}; }) == "counts");
  CHECK(field_of([](auto& state) { state.schema[0].max_categories = 3; }) ==
        "schema.l.max_categories");
  CHECK(field_of([](auto& state) { state.schema[1].column = "l"; }) == "schema.l");
  CHECK(field_of([](auto& state) {
          state.is_fitted = true;
          state.n_rows = 0;
        }) == "n_rows");
  freshet::ArchiveWriter writer;
  EncoderState state = encoder.state();
  state.columns[0] = "f";
  writer(state);
  freshet::ArchiveReader reader(writer.bytes());
  CHECK_THROWS_AS(reader(encoder), freshet::SnapshotError);
}

TEST_CASE("a schema that cannot be is refused") {
  CHECK(wrong_setting([] { Encoder({"a"}, {{"a", Encoding::label, 3}}); }) ==
        "schema.a.max_categories");
  CHECK(wrong_setting([] { Encoder({"a"}, {{"a", Encoding::onehot, 0}}); }) ==
        "schema.a.max_categories");
  CHECK(wrong_setting([] { Encoder({"a"}, {{"a", Encoding::onehot, 1025}}); }) ==
        "schema.a.max_categories");
  CHECK(wrong_setting([] { Encoder({"a"}, {{"a"}, {"a"}}); }) == "schema.a");
  const auto missing = refused([] { Encoder({"a"}, {{"b", Encoding::label}}); });
  CHECK(missing.code() == ErrorCode::column_missing);
  CHECK(missing.field() == "b");
  const auto twice = refused([] { Encoder({"a", "a"}, {}); });
  CHECK(twice.code() == ErrorCode::column_duplicate);
}
