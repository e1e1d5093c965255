#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "freshet/core/error.hpp"
#include "freshet/io/archive.hpp"
#include "freshet/io/detail/safetensors_header.hpp"
#include "freshet/io/detail/strict_json.hpp"

/// @file
/// Named arrays of numbers to the bytes of a safetensors file and back.
/// The format: https://huggingface.co/docs/safetensors

namespace freshet {

/// The types of numbers that a Tensor can hold.
enum class TensorType : std::uint8_t { float32, float64 };

/// The name of a type in a file: `"F32"` or `"F64"`.
[[nodiscard]] constexpr std::string_view to_string(TensorType type) noexcept {
  return type == TensorType::float32 ? "F32" : "F64";
}

/// The bytes that one number takes.
[[nodiscard]] constexpr std::size_t item_size(TensorType type) noexcept {
  return type == TensorType::float32 ? 4 : 8;
}

/// The numbers that a Tensor is made of and read as.
template <class T>
concept TensorNumber = std::same_as<T, float> || std::same_as<T, double>;

/// An array of numbers with a name and a shape.
struct Tensor {
  std::string name;  ///< UTF-8; not `"__metadata__"`.
  /// The type of its values.
  TensorType dtype = TensorType::float32;
  std::vector<std::size_t> shape;  ///< The extent of every dimension; none for a single number.
  std::vector<std::byte> data;     ///< Little-endian, row-major.

  bool operator==(const Tensor&) const = default;

  /// The product of the extents.
  /// @throws ModelFileError (file_mismatch) when the data of so many would not fit into memory.
  [[nodiscard]] std::size_t element_count() const {
    const auto n_bytes = iodetail::tensor_bytes(shape, item_size(dtype));
    if (n_bytes) return *n_bytes / item_size(dtype);
    throw ModelFileError(
        ErrorCode::file_mismatch,
        "tensor " + iodetail::in_quotes(name) + " has a shape too large for memory", name,
        "a shape that fits into memory");
  }

  /// The numbers, row-major. 32 bits widen to double without loss; narrowing is refused. O(n).
  /// @throws ModelFileError (file_mismatch) when they are double and asked for as float, or when
  /// the data has another size than the shape.
  template <TensorNumber T>
  [[nodiscard]] std::vector<T> values() const {
    require_size();
    if constexpr (std::same_as<T, float>) {
      if (dtype != TensorType::float32) {
        throw ModelFileError(ErrorCode::file_mismatch,
                             "tensor " + iodetail::in_quotes(name) + " is " +
                                 std::string(to_string(dtype)) + ", expected F32",
                             name, "F32");
      }
      return stored<float>();
    } else {
      if (dtype == TensorType::float64) return stored<double>();
      const std::vector<float> narrow = stored<float>();
      return {narrow.begin(), narrow.end()};
    }
  }

  /// @throws ModelFileError (file_mismatch) when the data has another size than shape and dtype
  /// say.
  void require_size() const {
    const std::size_t expected = element_count() * item_size(dtype);
    if (data.size() == expected) return;
    throw ModelFileError(ErrorCode::file_mismatch,
                         "tensor " + iodetail::in_quotes(name) + " has " +
                             std::to_string(data.size()) + " bytes where its shape takes " +
                             std::to_string(expected),
                         name, std::to_string(expected) + " bytes");
  }

 private:
  template <TensorNumber T>
  [[nodiscard]] std::vector<T> stored() const {
    std::vector<T> numbers(data.size() / sizeof(T));
    ArchiveReader(data).values(std::span<T>(numbers));
    return numbers;
  }
};

/// A tensor of the numbers `values`, row-major. Copies them.
/// @throws ModelFileError (file_mismatch) when their number is not the product of `shape`.
template <TensorNumber T>
[[nodiscard]] Tensor make_tensor(std::string name, std::vector<std::size_t> shape,
                                 std::type_identity_t<std::span<const T>> values) {
  ArchiveWriter bytes;
  bytes.values(values);
  Tensor tensor{.name = std::move(name),
                .dtype = std::same_as<T, float> ? TensorType::float32 : TensorType::float64,
                .shape = std::move(shape),
                .data = std::move(bytes).take()};
  tensor.require_size();
  return tensor;
}

/// What a safetensors file holds.
struct SafeTensors {
  std::vector<Tensor> tensors;                  ///< Of different names, in any order.
  std::map<std::string, std::string> metadata;  ///< Whatever texts the writer adds.

  bool operator==(const SafeTensors&) const = default;

  /// The tensor of that name, or null. O(tensors).
  [[nodiscard]] const Tensor* find(std::string_view name) const noexcept {
    const auto found = std::find_if(tensors.begin(), tensors.end(),
                                    [&](const Tensor& tensor) { return tensor.name == name; });
    return found == tensors.end() ? nullptr : &*found;
  }
};

/// The bytes of a safetensors file of `content`. Equal contents give equal bytes, whatever the
/// order of their tensors: header and data are in ascending order of name.
/// @throws ModelFileError (file_mismatch) naming the tensor whose name is there twice, reserved or
/// no UTF-8, or whose data has another size than its shape; or when the header would be larger
/// than the 100 MB that the format allows.
[[nodiscard]] inline std::vector<std::byte> write_safetensors(const SafeTensors& content) {
  std::vector<const Tensor*> sorted;
  sorted.reserve(content.tensors.size());
  for (const Tensor& tensor : content.tensors) sorted.push_back(&tensor);
  std::sort(sorted.begin(), sorted.end(),
            [](const Tensor* left, const Tensor* right) { return left->name < right->name; });

  nlohmann::json header = nlohmann::json::object();
  if (!content.metadata.empty()) {
    header[std::string(iodetail::safetensors_metadata_key)] = content.metadata;
  }
  std::size_t n_bytes = 0;
  for (const Tensor* tensor : sorted) {
    tensor->require_size();
    if (tensor->name == iodetail::safetensors_metadata_key || header.contains(tensor->name)) {
      throw ModelFileError(ErrorCode::file_mismatch,
                           "tensor " + iodetail::in_quotes(tensor->name) +
                               " needs a name that no other has and that is not reserved",
                           tensor->name, "a name of its own");
    }
    const std::size_t end = n_bytes + tensor->data.size();
    header[tensor->name] = {{"dtype", to_string(tensor->dtype)},
                            {"shape", tensor->shape},
                            {"data_offsets", nlohmann::json::array({n_bytes, end})}};
    n_bytes = end;
  }

  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::json::exception&) {
    throw ModelFileError(ErrorCode::file_mismatch,
                         "a name or text for a safetensors file is no UTF-8", "metadata",
                         "names and metadata in UTF-8");
  }
  text.append((8 - text.size() % 8) % 8, ' ');  // the data begins at a multiple of 8
  if (text.size() > iodetail::max_safetensors_header) {
    throw ModelFileError(ErrorCode::file_mismatch, "the header of a safetensors file is too large",
                         "metadata", "a header of at most 100 MB");
  }
  ArchiveWriter front;
  front(std::uint64_t{text.size()});
  front.values(std::span<const char>(text));
  std::vector<std::byte> bytes = std::move(front).take();
  bytes.reserve(bytes.size() + n_bytes);
  for (const Tensor* tensor : sorted) {
    bytes.insert(bytes.end(), tensor->data.begin(), tensor->data.end());
  }
  return bytes;
}

/// The content of the safetensors file `bytes`, tensors in ascending order of name. Follows the
/// format strictly: what another reader might overlook (keys that are there twice or unknown,
/// offsets that overlap or leave holes) is refused. Memory is proportional to `bytes`, whatever
/// they say.
/// @param file how errors call the file.
/// @throws ModelFileError naming the file and the tensor: file_corrupt when the bytes do not follow
/// the format, file_mismatch when a tensor has a dtype other than F32 and F64.
[[nodiscard]] inline SafeTensors read_safetensors(std::span<const std::byte> bytes,
                                                  const std::string& file = "weights.safetensors") {
  iodetail::SafeTensorsHeader header = iodetail::read_safetensors_header(bytes, file);
  SafeTensors content;
  content.metadata = std::move(header.metadata);
  content.tensors.reserve(header.tensors.size());
  for (iodetail::TensorEntry& entry : header.tensors) {
    const bool is_double = entry.dtype == to_string(TensorType::float64);
    if (!is_double && entry.dtype != to_string(TensorType::float32)) {
      throw iodetail::tensor_error(ErrorCode::file_mismatch, file, entry.name,
                                   "has dtype " + iodetail::in_quotes(entry.dtype),
                                   "dtype F32 or F64");
    }
    Tensor tensor;
    tensor.dtype = is_double ? TensorType::float64 : TensorType::float32;
    const auto expected = iodetail::tensor_bytes(entry.shape, item_size(tensor.dtype));
    if (expected != entry.end - entry.begin) {
      throw iodetail::tensor_error(
          ErrorCode::file_corrupt, file, entry.name,
          "has " + std::to_string(entry.end - entry.begin) + " bytes of data",
          expected ? std::to_string(*expected) + " for its shape and dtype " + entry.dtype
                   : "a shape that fits into memory");
    }
    tensor.name = std::move(entry.name);
    tensor.shape = std::move(entry.shape);
    const auto data = header.data.subspan(entry.begin, entry.end - entry.begin);
    tensor.data.assign(data.begin(), data.end());
    content.tensors.push_back(std::move(tensor));
  }
  std::sort(content.tensors.begin(), content.tensors.end(),
            [](const Tensor& left, const Tensor& right) { return left.name < right.name; });
  return content;
}

}  // namespace freshet
