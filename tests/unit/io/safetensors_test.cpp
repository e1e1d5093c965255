#include "freshet/io/safetensors.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "freshet/core/random.hpp"
#include "support/catch.hpp"

namespace {

using Catch::Matchers::ContainsSubstring;
using freshet::ErrorCode;
using freshet::make_tensor;
using freshet::ModelFileError;
using freshet::read_safetensors;
using freshet::SafeTensors;
using freshet::Tensor;
using freshet::TensorType;
using freshet::write_safetensors;

std::vector<std::byte> to_bytes(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

/// A file of that header and `n_data` bytes behind it.
std::vector<std::byte> file_of(const std::string& header, std::size_t n_data) {
  std::vector<std::byte> bytes;
  for (unsigned i = 0; i < 8; ++i) {
    bytes.push_back(static_cast<std::byte>(std::uint64_t{header.size()} >> (8 * i)));
  }
  const std::vector<std::byte> text = to_bytes(header);
  bytes.insert(bytes.end(), text.begin(), text.end());
  bytes.resize(bytes.size() + n_data);
  return bytes;
}

SafeTensors sample() {
  return {.tensors = {make_tensor<float>("w", {2, 3},
                                         std::vector{1.0F, -2.5F, 0.0F, 4.0F, 5.0F, -0.0F}),
                      make_tensor<double>("b \"quoted\" \n", {2}, std::vector{0.1, 1e300}),
                      make_tensor<float>("none", {0, 7}, {}),
                      make_tensor<double>("single", {}, std::vector{3.5})},
          .metadata = {{"made by", "a test"}, {"note", ""}}};
}

/// The error that reading gives.
ModelFileError error_of(const std::vector<std::byte>& bytes) {
  try {
    (void)read_safetensors(bytes, "model.safetensors");
  } catch (const ModelFileError& error) {
    return error;
  }
  FAIL("expected a ModelFileError");
  throw std::logic_error("unreachable");
}

template <class Function>
ErrorCode code_of(Function function) {
  try {
    function();
  } catch (const ModelFileError& error) {
    return error.code();
  }
  FAIL("expected a ModelFileError");
  throw std::logic_error("unreachable");
}

}  // namespace

TEST_CASE("tensors survive the way to a file and back") {
  const SafeTensors content = sample();
  const SafeTensors copy = read_safetensors(write_safetensors(content));
  CHECK(copy.metadata == content.metadata);
  REQUIRE(copy.tensors.size() == content.tensors.size());
  for (const Tensor& tensor : content.tensors) {
    REQUIRE(copy.find(tensor.name) != nullptr);
    CHECK(*copy.find(tensor.name) == tensor);
  }
  CHECK(std::is_sorted(copy.tensors.begin(), copy.tensors.end(),
                       [](const auto& left, const auto& right) { return left.name < right.name; }));
  CHECK(copy.find("W") == nullptr);
  CHECK(copy.find("w")->values<float>() == std::vector{1.0F, -2.5F, 0.0F, 4.0F, 5.0F, -0.0F});
  CHECK(copy.find("w")->values<double>() == std::vector{1.0, -2.5, 0.0, 4.0, 5.0, -0.0});
  CHECK(copy.find("single")->values<double>() == std::vector{3.5});
  CHECK(copy.find("none")->values<float>().empty());
  CHECK(copy.find("w")->element_count() == 6);
  CHECK(copy.find("single")->element_count() == 1);
  CHECK(copy.find("none")->element_count() == 0);
}

TEST_CASE("nothing at all is a file too") {
  const auto bytes = write_safetensors({});
  CHECK(bytes == file_of("{}      ", 0));
  CHECK(read_safetensors(bytes) == SafeTensors{});
}

TEST_CASE("the bytes of a file are those of the published format") {
  const SafeTensors content{.tensors = {make_tensor<double>("b", {1}, std::vector{-2.0}),
                                        make_tensor<float>("a", {2, 1}, std::vector{1.0F, 0.5F})},
                            .metadata = {{"k", "v"}}};
  const std::string header =
      R"({"__metadata__":{"k":"v"},"a":{"data_offsets":[0,8],"dtype":"F32","shape":[2,1]},)"
      R"("b":{"data_offsets":[8,16],"dtype":"F64","shape":[1]}})";
  std::vector<std::byte> expected = file_of(header + std::string(8 - header.size() % 8, ' '), 0);
  for (const int byte : {0, 0, 0x80, 0x3f, 0, 0, 0, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0xc0}) {
    expected.push_back(static_cast<std::byte>(byte));
  }
  CHECK(write_safetensors(content) == expected);
  CHECK(expected.size() % 8 == 0);

  SafeTensors reversed = content;
  std::reverse(reversed.tensors.begin(), reversed.tensors.end());
  CHECK(write_safetensors(reversed) == expected);
}

TEST_CASE("a file of another writer is read whatever its order and spaces") {
  auto bytes = file_of(
      "{ \"late\":\n{\"shape\":[2],\"dtype\":\"F32\",\"data_offsets\":[8,16]}, "
      "\"early\":{\"dtype\":\"F64\",\"data_offsets\":[0,8],\"shape\":[1,1]} }   ",
      16);
  bytes.back() = std::byte{0x40};  // the last float is 2
  const SafeTensors content = read_safetensors(bytes);
  CHECK(content.tensors[0].name == "early");
  CHECK(content.find("early")->shape == std::vector<std::size_t>{1, 1});
  CHECK(content.find("late")->values<float>() == std::vector{0.0F, 2.0F});
}

TEST_CASE("values of another type or size are refused") {
  Tensor tensor = make_tensor<double>("t", {2}, std::vector{1.0, 2.0});
  CHECK(code_of([&] { (void)tensor.values<float>(); }) == ErrorCode::file_mismatch);
  tensor.data.pop_back();
  CHECK(code_of([&] { (void)tensor.values<double>(); }) == ErrorCode::file_mismatch);
  CHECK(code_of([&] { (void)write_safetensors({.tensors = {tensor}, .metadata = {}}); }) ==
        ErrorCode::file_mismatch);
  constexpr std::size_t huge = std::numeric_limits<std::size_t>::max() / 4;
  tensor.shape = {huge, huge};
  CHECK(code_of([&] { (void)tensor.element_count(); }) == ErrorCode::file_mismatch);
  CHECK(code_of([&] { (void)make_tensor<float>("t", {3}, std::vector{1.0F}); }) ==
        ErrorCode::file_mismatch);
}

TEST_CASE("what would be no readable file is not written") {
  const std::string name = GENERATE(as<std::string>(), "other", "__metadata__", "\xff");
  const Tensor other = make_tensor<float>("other", {}, std::vector{1.0F});
  const Tensor wrong = make_tensor<float>(name, {}, std::vector{1.0F});
  CHECK(code_of([&] { (void)write_safetensors({.tensors = {other, wrong}, .metadata = {}}); }) ==
        ErrorCode::file_mismatch);
}

TEST_CASE("every way to break the format is named") {
  const auto [header, n_data, field,
              part] = GENERATE(table<std::string, std::size_t, std::string, std::string>({
      {"", 0, "model.safetensors", "no JSON object"},
      {"   ", 0, "model.safetensors", "no JSON object"},
      {"[]", 0, "model.safetensors", "no JSON object"},
      {" {}", 0, "model.safetensors", "no JSON object"},
      {"{}\n", 0, "model.safetensors", "spaces only"},
      {"{}{}", 0, "model.safetensors", "malformed at byte 3"},
      {"{\"a\" 1}", 0, "model.safetensors", "malformed at byte"},
      {"{\"\xff\":1}", 0, "model.safetensors", "malformed at byte"},
      {std::string("{}\0}", 4), 0, "model.safetensors", "malformed at byte 3"},
      {R"({"a":{"dtype":"F32","shape":[1e999],"data_offsets":[0,4]}})", 4, "model.safetensors",
       "malformed"},
      {R"({"a":[[[1]]]})", 0, "model.safetensors", "deeper than 3 levels"},
      {R"({"a":1,"a":2})", 0, "model.safetensors", "the key \"a\" is there twice"},
      {R"({"a":{"dtype":"F32","dtype":"F64","shape":[],"data_offsets":[0,4]}})", 4,
       "model.safetensors", "the key \"dtype\" is there twice"},
      {R"({"__metadata__":{"k":"1","k":"2"}})", 0, "model.safetensors",
       "the key \"k\" is there twice"},
      {R"({"__metadata__":{"k":1}})", 0, "model.safetensors", "values are texts"},
      {R"({"__metadata__":null})", 0, "model.safetensors", "values are texts"},
      {R"({"a":null})", 0, "a", "an object of dtype, shape and data_offsets"},
      {R"({"a":{"shape":[1],"data_offsets":[0,4]}})", 4, "a", "dtype, shape and data_offsets"},
      {R"({"a":{"dtype":"F32","shape":[1],"offsets":[0,4]}})", 4, "a", "has no data_offsets"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}})", 4, "a",
       "described by something else"},
      {R"({"a":{"dtype":1,"shape":[1],"data_offsets":[0,4]}})", 4, "a", "dtype that is no text"},
      {R"({"a":{"dtype":"F32","shape":1,"data_offsets":[0,4]}})", 4, "a", "shape that is no list"},
      {R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4, "a", "shape"},
      {R"({"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}})", 4, "a", "shape"},
      {R"({"a":{"dtype":"F32","shape":["1"],"data_offsets":[0,4]}})", 4, "a", "shape"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,4]}})", 4, "a", "no range"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4, "a", "no range"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 4, "a", "at most 4"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,18446744073709551615]}})", 4, "a",
       "at most 4"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8, "a", "a hole"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
       R"("b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}})",
       6, "b", "overlap"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
       R"("b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
       4, "b", "overlap"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 5, "model.safetensors",
       "5 bytes behind its header, of which the tensors use 4"},
      {"{}", 1, "model.safetensors", "of which the tensors use 0"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4, "a", "expected 8"},
      {R"({"a":{"dtype":"F64","shape":[1],"data_offsets":[0,4]}})", 4, "a", "expected 8"},
      {R"({"a":{"dtype":"F32","shape":[0],"data_offsets":[0,4]}})", 4, "a", "expected 0"},
      {R"({"a":{"dtype":"F32","shape":[4611686018427387905],"data_offsets":[0,4]}})", 4, "a",
       "a shape that fits into memory"},
      {R"({"a":{"dtype":"F32","shape":[8589934592,8589934592,0],"data_offsets":[0,0]}})", 0, "a",
       "a shape that fits into memory"},
  }));
  CAPTURE(header);
  const ModelFileError error = error_of(file_of(header, n_data));
  CHECK(error.code() == ErrorCode::file_corrupt);
  CHECK(error.field() == field);
  CHECK_FALSE(error.expected().empty());
  CHECK_THAT(error.what(), ContainsSubstring(part));
  CHECK_THAT(error.what(), ContainsSubstring("model.safetensors"));
}

TEST_CASE("a dtype of other tools is named as one that is not read") {
  const std::string dtype = GENERATE(as<std::string>(), "F16", "BF16", "I64", "f32", "");
  const ModelFileError error = error_of(file_of(
      R"({"layer.weight":{"dtype":")" + dtype + R"(","shape":[2],"data_offsets":[0,4]}})", 4));
  CHECK(error.code() == ErrorCode::file_mismatch);
  CHECK(error.field() == "layer.weight");
  CHECK_THAT(
      error.what(),
      ContainsSubstring("model.safetensors: tensor \"layer.weight\" has dtype \"" + dtype + "\""));
  CHECK_THAT(error.what(), ContainsSubstring("F32 or F64"));
}

TEST_CASE("sizes that the bytes do not have are refused") {
  for (std::size_t n = 0; n < 8; ++n) {
    CHECK_THAT(error_of(std::vector<std::byte>(n)).what(), ContainsSubstring("size of the header"));
  }
  std::vector<std::byte> bytes = file_of("{}", 0);
  bytes[0] = std::byte{3};
  CHECK_THAT(error_of(bytes).what(), ContainsSubstring("at most 2"));
  std::fill_n(bytes.begin(), 8, std::byte{0xff});
  CHECK_THAT(error_of(bytes).what(), ContainsSubstring("18446744073709551615"));
}

TEST_CASE("a header beyond the format's limit is refused even when it is there") {
  const auto bytes = file_of("{}" + std::string(100'000'000, ' '), 0);
  CHECK_THAT(error_of(bytes).what(), ContainsSubstring("at most 100000000"));
}

TEST_CASE("depth takes no stack and a hostile name does not garble the message") {
  const std::string deep(2'000'000, '[');
  CHECK_THAT(error_of(file_of("{\"a\":" + deep + "}", 0)).what(), ContainsSubstring("deeper"));

  const std::string name = "line\\nbreak" + std::string(1000, 'x');
  const ModelFileError error = error_of(file_of("{\"" + name + "\":1}", 0));
  CHECK(std::string_view(error.what()).find('\n') == std::string_view::npos);
  CHECK(std::string_view(error.what()).size() < 300);
}

TEST_CASE("many members take no quadratic time") {
  // Minutes if every key were compared with all before it.
  std::string header = "{";
  for (int i = 0; i < 300'000; ++i) header.append("\"").append(std::to_string(i)).append("\":0,");
  header += "\"0\":0}";
  CHECK_THAT(error_of(file_of(header, 0)).what(),
             ContainsSubstring("the key \"0\" is there twice"));
}

TEST_CASE("no part of a file is a file") {
  const auto bytes = write_safetensors(sample());
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    const auto part = std::vector(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n));
    CHECK(error_of(part).code() == ErrorCode::file_corrupt);
  }
}

TEST_CASE("a mutated file either reads as one or is a clear error") {
  const auto bytes = write_safetensors(sample());
  const std::size_t end_of_header = bytes.size() - 48;
  freshet::RandomGenerator random(7);
  int accepted = 0;
  int refused = 0;
  for (int i = 0; i < 20'000; ++i) {
    auto mutated = bytes;
    const std::uint64_t n_changes = 1 + random.below(3);
    for (std::uint64_t k = 0; k < n_changes; ++k) {
      const std::size_t at = random.below(i % 4 == 0 ? bytes.size() : end_of_header);
      // Often the text of the header itself, so that the result is well-formed more often.
      mutated[at] = i % 2 == 0 ? static_cast<std::byte>(random.below(256))
                               : bytes[8 + random.below(end_of_header - 8)];
    }
    try {
      const SafeTensors content = read_safetensors(mutated);
      REQUIRE(read_safetensors(write_safetensors(content)) == content);
      for (const Tensor& tensor : content.tensors) {
        REQUIRE(tensor.values<double>().size() == tensor.element_count());
      }
      ++accepted;
    } catch (const ModelFileError& error) {
      REQUIRE_FALSE(error.field().empty());
      ++refused;
    }
  }
  CHECK(accepted > 500);
  CHECK(refused > 500);
}
