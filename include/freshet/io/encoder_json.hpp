#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "freshet/core/error.hpp"
#include "freshet/features/encoder.hpp"
#include "freshet/features/encoder_state.hpp"
#include "freshet/io/json_fields.hpp"

/// @file
/// An Encoder as JSON, for a file beside a model.

namespace freshet {

/// The layout of the JSON; a library reads its own only.
inline constexpr std::uint32_t encoder_format = 1;

namespace iodetail {

/// Calls `visitor(name, field)` for everything but what is said of each column.
template <class Visitor>
void visit_encoder_fields(EncoderState& state, std::uint32_t& format, Visitor&& visitor) {
  visitor("format", format);
  visitor("columns", state.columns);
  visitor("schema", state.schema);
  visitor("is_fitted", state.is_fitted);
  visitor("n_rows", state.n_rows);
}

/// Reads a list for each column that the object `name` of `json` names.
template <class T>
void read_lists(const nlohmann::json& json, const std::string& name,
                const std::vector<std::string>& columns, std::vector<std::vector<T>>& lists) {
  JsonReader reader(json, name + ".");
  lists.resize(columns.size());
  for (std::size_t i = 0; i < columns.size(); ++i) reader(columns[i], lists[i]);
  reader.require_all_known();
}

template <class T>
[[nodiscard]] nlohmann::json lists_json(const std::vector<std::string>& columns,
                                        const std::vector<std::vector<T>>& lists) {
  nlohmann::json json = nlohmann::json::object();
  for (std::size_t i = 0; i < lists.size(); ++i) {
    if (!lists[i].empty()) json[columns[i]] = lists[i];
  }
  return json;
}

}  // namespace iodetail

/// Everything that an encoder knows: `format`, `columns`, `schema`, `is_fitted`, `n_rows`, and by
/// column `categories` and `counts`; see EncoderState. Names and categories should be UTF-8.
[[nodiscard]] inline nlohmann::json to_json(const Encoder& encoder) {
  EncoderState state = encoder.state();
  std::uint32_t format = encoder_format;
  JsonWriter writer;
  iodetail::visit_encoder_fields(state, format, writer);
  nlohmann::json json = writer.object();
  json["categories"] = iodetail::lists_json(state.columns, state.categories);
  json["counts"] = iodetail::lists_json(state.columns, state.counts);
  return json;
}

/// The encoder that `to_json` was asked for.
/// @throws ConfigurationError naming the field that is unknown, of the wrong type, or contradicts
/// the others; DataError for columns that come twice or are missing.
[[nodiscard]] inline Encoder encoder_from_json(const nlohmann::json& json) {
  EncoderState state;
  std::uint32_t format = 0;
  nlohmann::json categories = nlohmann::json::object();
  nlohmann::json counts = nlohmann::json::object();
  JsonReader reader(json);
  iodetail::visit_encoder_fields(state, format, reader);
  reader("categories", categories);
  reader("counts", counts);
  require_parameter(format == encoder_format, "format", std::to_string(encoder_format));
  reader.require_all_known();
  iodetail::read_lists(categories, "categories", state.columns, state.categories);
  iodetail::read_lists(counts, "counts", state.columns, state.counts);
  return Encoder(std::move(state));
}

}  // namespace freshet
