#include "freshet/io/encoder_json.hpp"

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "freshet/core/error.hpp"
#include "freshet/features/cell.hpp"
#include "freshet/features/encoder.hpp"
#include "freshet/features/encoding.hpp"
#include "support/catch.hpp"

namespace {

using freshet::Cell;
using freshet::Encoder;
using freshet::Encoding;
using nlohmann::json;

const freshet::Schema schema{
    {"l", Encoding::label}, {"o", Encoding::onehot, 2}, {"f", Encoding::frequency}};
const std::vector<Cell> cells{1.0, "a", "x", "u", 2.0, "b", "y", "u", 3.0, "a", "z", "ü"};

Encoder fitted() { return Encoder::fit({"n", "l", "o", "f"}, schema, {cells, 4}); }

Encoder streaming() {
  Encoder encoder({"n", "l", "o", "f"}, schema);
  std::vector<double> out(3 * encoder.n_outputs());
  encoder.encode_many({cells, 4}, out);
  return encoder;
}

}  // namespace

TEST_CASE("an encoder survives the way to JSON and back") {
  for (const Encoder& encoder : {fitted(), streaming(), Encoder({"n"}, {})}) {
    const json state = json::parse(to_json(encoder).dump());
    CHECK(freshet::encoder_from_json(state).state().categories == encoder.state().categories);
    CHECK(to_json(freshet::encoder_from_json(state)) == state);
  }
  const json state = to_json(fitted());
  CHECK(state["schema"] ==
        json::parse(R"({"l": "label", "o": {"encoding": "onehot", "max_categories": 2},
                        "f": "frequency"})"));
  CHECK(state["categories"] ==
        json::parse(R"({"l": ["a", "b"], "o": ["x", "y"], "f": ["u", "ü"]})"));
  CHECK(state["counts"] == json::parse(R"({"f": [2, 1, 0]})"));
  CHECK(state["is_fitted"] == true);
  CHECK(state["n_rows"] == 3);
}

TEST_CASE("JSON that is no encoder is refused, naming the field") {
  const auto [change, field] = GENERATE(table<std::string, std::string>({
      {R"({"format": 7})", "format"},
      {R"({"more": 1})", "more"},
      {R"({"n_rows": -1})", "n_rows"},
      {R"({"n_rows": 4})", "counts"},
      {R"({"schema": {"l": "onehot", "q": "label"}})", "q"},
      {R"({"schema": {"l": "words"}})", "schema.l"},
      {R"({"categories": {"l": "a"}})", "categories.l"},
      {R"({"categories": {"l": ["a", "a"]}})", "categories"},
      {R"({"counts": {"n": [1]}})", "counts"},
      {R"({"counts": {"q": [1]}})", "counts.q"},
      {R"({"is_fitted": 1})", "is_fitted"},
      {R"({"columns": ["n", "l", "o", "f", "n"]})", "n"},
  }));
  CAPTURE(change);
  json state = to_json(fitted());
  state.update(json::parse(change));
  try {
    (void)freshet::encoder_from_json(state);
    FAIL("it was accepted");
  } catch (const freshet::Error& error) {
    CHECK(error.field() == field);
  }
}
