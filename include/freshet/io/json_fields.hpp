#pragma once

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "freshet/backends/bin_count.hpp"
#include "freshet/backends/kernel.hpp"
#include "freshet/core/error.hpp"
#include "freshet/features/encoding.hpp"
#include "freshet/io/enum_values.hpp"
#include "freshet/stream/config.hpp"

/// @file
/// Settings from and to a JSON object, with errors that name the field.

namespace freshet {

/// Reads the known fields of a JSON object into variables. A field that is absent or null leaves
/// its variable as it is.
class JsonReader {
 public:
  /// @param object the settings; @param prefix how its fields are named in errors, for example
  /// `"backend_params."`.
  explicit JsonReader(const nlohmann::json& object, std::string prefix = {})
      : object_(object), prefix_(std::move(prefix)) {
    if (!object.is_object()) throw type_error(prefix_.empty() ? "settings" : prefix_, "an object");
  }

  /// Reads the field `name`, if it is there.
  /// @throws ConfigurationError when its value has another type.
  template <class T>
  void operator()(const std::string& name, T& value) {
    known_.insert(name);
    const auto found = object_.find(name);
    if (found != object_.end() && !found->is_null()) read(*found, prefix_ + name, value);
  }

  /// @throws ConfigurationError when the object has a field that was not asked for.
  void require_all_known() const {
    for (const auto& [name, value] : object_.items()) {
      if (known_.contains(name)) continue;
      std::string expected = "one of";
      for (const std::string& one : known_) expected += " " + one;
      throw ConfigurationError(ErrorCode::parameter_unknown,
                               "unknown parameter " + prefix_ + name + ": expected " + expected,
                               prefix_ + name, expected);
    }
  }

 private:
  static ConfigurationError type_error(const std::string& field, const std::string& expected) {
    return {ErrorCode::parameter_type, field + " must be " + expected, field, expected};
  }

  static void read(const nlohmann::json& json, const std::string& field, bool& value) {
    if (!json.is_boolean()) throw type_error(field, "true or false");
    value = json.get<bool>();
  }
  static void read(const nlohmann::json& json, const std::string& field, double& value) {
    if (!json.is_number()) throw type_error(field, "a number");
    value = json.get<double>();
  }
  template <std::unsigned_integral T>
  static void read(const nlohmann::json& json, const std::string& field, T& value) {
    if (!json.is_number_integer()) throw type_error(field, "an integer");
    if (!json.is_number_unsigned() && json.get<std::int64_t>() < 0) {
      throw ConfigurationError(ErrorCode::parameter_out_of_range, field + " must not be negative",
                               field, "at least 0");
    }
    value = json.get<T>();
  }
  static void read(const nlohmann::json& json, const std::string& field, std::string& value) {
    if (!json.is_string()) throw type_error(field, "a string");
    value = json.get<std::string>();
  }
  static void read(const nlohmann::json& json, const std::string& field, nlohmann::json& value) {
    if (!json.is_object()) throw type_error(field, "an object");
    value = json;
  }
  static void read(const nlohmann::json& json, const std::string& field, BinCount& value) {
    if (json == "auto") {
      value = BinCount::automatic();
    } else if (json.is_number_integer()) {
      std::size_t n_bins = 0;
      read(json, field, n_bins);
      require_parameter(n_bins > 0, field, "an integer of at least 2 or \"auto\"");
      value = n_bins;
    } else {
      throw type_error(field, "an integer of at least 2 or \"auto\"");
    }
  }
  static void read(const nlohmann::json& json, const std::string& field, KernelFactor& value) {
    constexpr const char* expected = R"(a number from 0 on, "auto" or "scale")";
    if (json == "auto") {
      value = KernelFactor::automatic();
    } else if (json == "scale") {
      value = KernelFactor::scale();
    } else if (json.is_number()) {
      require_parameter(json.get<double>() >= 0.0, field, expected);
      value = json.get<double>();
    } else {
      throw type_error(field, expected);
    }
  }
  /// Of each column the name of its encoding, or an object with `encoding` and what else it takes.
  static void read(const nlohmann::json& json, const std::string& field, Schema& value) {
    if (!json.is_object()) throw type_error(field, "an object of encodings by column");
    Schema schema;
    for (const auto& [name, encoding] : json.items()) {
      ColumnEncoding& column = schema.emplace_back();
      column.column = name;
      const std::string own_field = field + "." + name;
      if (!encoding.is_object()) {
        read(encoding, own_field, column.encoding);
        continue;
      }
      JsonReader reader(encoding, own_field + ".");
      reader("max_categories", column.max_categories);
      reader.known_.insert("encoding");
      reader.require_all_known();
      read(encoding.value("encoding", nlohmann::json()), own_field, column.encoding);
    }
    value = std::move(schema);
  }
  template <class T>
    requires std::is_enum_v<T>
  static void read(const nlohmann::json& json, const std::string& field, T& value) {
    std::string expected = "one of";
    for (const T candidate : enum_values(T{})) {
      const std::string_view name = to_string(candidate);
      expected += " \"" + std::string(name) + "\"";
      if (json.is_string() && json.get_ref<const std::string&>() == name) {
        value = candidate;
        return;
      }
    }
    if (!json.is_string()) throw type_error(field, expected);
    throw ConfigurationError(ErrorCode::parameter_out_of_range, field + " must be " + expected,
                             field, expected);
  }
  template <class T>
  static void read(const nlohmann::json& json, const std::string& field, std::optional<T>& value) {
    read(json, field, value.emplace());
  }
  template <class T>
  static void read(const nlohmann::json& json, const std::string& field, std::vector<T>& value) {
    if (!json.is_array()) throw type_error(field, "a list");
    std::vector<T> items(json.size());
    for (std::size_t i = 0; i < items.size(); ++i) {
      read(json[i], field + "[" + std::to_string(i) + "]", items[i]);
    }
    value = std::move(items);
  }

  const nlohmann::json& object_;
  std::string prefix_;
  std::set<std::string> known_;
};

/// Writes fields into a JSON object; what JsonReader reads back.
class JsonWriter {
 public:
  /// Adds a field.
  template <class T>
  void operator()(const std::string& name, const T& value) {
    object_[name] = to_json(value);
  }

  /// The fields so far.
  [[nodiscard]] const nlohmann::json& object() const noexcept { return object_; }

 private:
  template <class T>
  static nlohmann::json to_json(const T& value) {
    if constexpr (std::is_enum_v<T>) {
      return to_string(value);
    } else {
      return value;
    }
  }
  static nlohmann::json to_json(const BinCount& bins) {
    return bins.is_automatic() ? nlohmann::json("auto") : nlohmann::json(bins.value());
  }
  static nlohmann::json to_json(const KernelFactor& gamma) {
    if (gamma.is_automatic()) return "auto";
    return gamma.is_scale() ? nlohmann::json("scale") : nlohmann::json(gamma.value());
  }
  static nlohmann::json to_json(const Schema& schema) {
    nlohmann::json json;  // null, unless a column is named
    for (const ColumnEncoding& column : schema) {
      nlohmann::json& encoding = json[column.column];
      encoding = to_string(column.encoding);
      if (!column.max_categories) continue;
      encoding = {{"encoding", encoding}, {"max_categories", *column.max_categories}};
    }
    return json;
  }
  template <class T>
  static nlohmann::json to_json(const std::optional<T>& value) {
    return value ? to_json(*value) : nlohmann::json();
  }

  nlohmann::json object_ = nlohmann::json::object();
};

/// The settings of a detector whose backend is chosen by name.
[[nodiscard]] inline nlohmann::json settings_json(StreamingConfig config, std::string_view backend,
                                                  const nlohmann::json& backend_parameters) {
  JsonWriter writer;
  config.visit_fields(writer);
  writer("backend", backend);
  writer("backend_params", backend_parameters);
  return writer.object();
}

}  // namespace freshet
