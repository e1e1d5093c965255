#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "freshet/core/error.hpp"

/// @file
/// JSON from files that nobody vouches for: of limited depth, every key once.

namespace freshet::iodetail {

/// `text` between double quotes for an error message: control characters escaped, bytes that are
/// no UTF-8 replaced, and cut when long, so that a hostile name cannot garble a log.
[[nodiscard]] inline std::string in_quotes(std::string_view text) {
  constexpr std::size_t longest = 80;
  std::string result = nlohmann::json(std::string(text.substr(0, longest)))
                           .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (text.size() > longest) result.insert(result.size() - 1, "...");
  return result;
}

/// Builds the document from the parser's events, from the inside out. Unlike the builder of the
/// JSON library it refuses a key that is there twice (which would hide one of the two values) and
/// depth (a copy or a dump takes stack for every level), and it takes O(n log n) for n members of
/// an ordered object, not O(n²).
class StrictJsonBuilder final : public nlohmann::json_sax<nlohmann::ordered_json> {
 public:
  using Json = nlohmann::ordered_json;

  explicit StrictJsonBuilder(std::size_t max_depth) : max_depth_(max_depth) {}

  /// What is wrong with the text; empty when nothing is.
  [[nodiscard]] const std::string& problem() const noexcept { return problem_; }
  [[nodiscard]] Json take() && { return std::move(root_); }

  bool null() override { return add(Json()); }
  bool boolean(bool value) override { return add(Json(value)); }
  bool number_integer(Json::number_integer_t value) override { return add(Json(value)); }
  bool number_unsigned(Json::number_unsigned_t value) override { return add(Json(value)); }
  bool number_float(Json::number_float_t value, const std::string& /*text*/) override {
    return add(Json(value));
  }
  bool string(std::string& value) override { return add(Json(std::move(value))); }
  bool binary(Json::binary_t& /*value*/) override { return fail("binary data"); }

  bool start_object(std::size_t /*n_members*/) override { return open(false); }
  bool key(std::string& name) override {
    open_.back().key = std::move(name);
    return true;
  }
  bool end_object() override {
    Level level = close();
    std::vector<std::string_view> keys;
    keys.reserve(level.members.size());
    for (const auto& member : level.members) keys.emplace_back(member.first);
    std::sort(keys.begin(), keys.end());
    const auto twice = std::adjacent_find(keys.begin(), keys.end());
    if (twice != keys.end()) return fail("the key " + in_quotes(*twice) + " is there twice");
    return add(Json(std::move(level.members)));
  }
  bool start_array(std::size_t /*n_items*/) override { return open(true); }
  bool end_array() override { return add(Json(close().items)); }

  bool parse_error(std::size_t position, const std::string& /*token*/,
                   const Json::exception& /*error*/) override {
    // Not the library's own words, which quote bytes that may be no UTF-8.
    return fail("it is malformed at byte " + std::to_string(position));
  }

 private:
  /// An object or array whose end has not been seen yet.
  struct Level {
    bool is_array = false;
    std::string key;
    Json::object_t members;
    Json::array_t items;
  };

  bool open(bool is_array) {
    if (open_.size() == max_depth_) {
      return fail("it nests deeper than " + std::to_string(max_depth_) + " levels");
    }
    open_.emplace_back().is_array = is_array;
    return true;
  }
  Level close() {
    Level level = std::move(open_.back());
    open_.pop_back();
    return level;
  }
  bool add(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (Level& level = open_.back(); level.is_array) {
      level.items.push_back(std::move(value));
    } else {
      level.members.emplace_back(std::move(level.key), std::move(value));
    }
    return true;
  }
  bool fail(std::string problem) {
    problem_ = std::move(problem);
    return false;
  }

  std::size_t max_depth_;
  std::string problem_;
  std::vector<Level> open_;
  Json root_;
};

/// The JSON document in `text`, members in their order. Memory is proportional to the text.
/// @param what how an error calls the text, for example `"the header of weights.safetensors"`.
/// @param file the field of an error.
/// @param max_depth how many objects and arrays may be inside each other.
/// @throws ModelFileError (file_corrupt) for anything but one well-formed document in UTF-8.
[[nodiscard]] inline nlohmann::ordered_json parse_strict_json(std::string_view text,
                                                              const std::string& what,
                                                              const std::string& file,
                                                              std::size_t max_depth) {
  StrictJsonBuilder builder(max_depth);
  // To the parser a zero byte is the end, whatever follows it.
  const std::size_t zero = text.find('\0');
  std::string problem;
  if (zero != std::string_view::npos) {
    problem = "it is malformed at byte " + std::to_string(zero + 1);
  } else if (!nlohmann::ordered_json::sax_parse(text.begin(), text.end(), &builder)) {
    problem = builder.problem();
  }
  if (!problem.empty()) {
    throw ModelFileError(ErrorCode::file_corrupt, what + " is no valid JSON: " + problem, file,
                         "well-formed JSON in which every key is there once");
  }
  return std::move(builder).take();
}

/// Those bytes as characters.
[[nodiscard]] inline std::string_view as_text(std::span<const std::byte> bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace freshet::iodetail
