// Text as the files of a bundle: manifest.json, scaler.json, threshold.json, training scores and
// weights, each followed by a line "=====". The last two begin with the header of a safetensors
// file, up to the first line feed, whose size is put in front. So that seeds can be text.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "freshet/io/bundle.hpp"
#include "require.hpp"

namespace {

using freshet::fuzz::require;

/// Cuts off what stands before the next separator.
std::string_view next_part(std::string_view& rest) {
  constexpr std::string_view separator = "\n=====\n";
  const std::size_t end = std::min(rest.find(separator), rest.size());
  const std::string_view part = rest.substr(0, end);
  rest.remove_prefix(std::min(end + separator.size(), rest.size()));
  return part;
}

std::vector<std::byte> to_bytes(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

/// A safetensors file from its header, a line feed and its data.
std::vector<std::byte> to_safetensors(std::string_view text) {
  const std::string_view header = text.substr(0, text.find('\n'));
  const std::uint64_t header_size = header.size();
  std::vector<std::byte> file(sizeof header_size);
  std::memcpy(file.data(), &header_size, sizeof header_size);
  const std::vector<std::byte> front = to_bytes(header);
  const std::vector<std::byte> data =
      to_bytes(text.substr(std::min(header.size() + 1, text.size())));
  file.insert(file.end(), front.begin(), front.end());
  file.insert(file.end(), data.begin(), data.end());
  return file;
}

void use(const freshet::Bundle& bundle) {
  const freshet::LstmAutoencoderModel& model = bundle.model;
  require(model.n_columns() == bundle.columns.size(), "a column for each name");
  require(model.window() == bundle.backend.window, "the window");
  require(std::isfinite(bundle.threshold), "the threshold");
  if (model.n_features() > 100) return;
  const std::vector<double> window(model.n_features(), 1.0);
  std::vector<double> contributions(model.n_features());
  (void)model.score(window);
  model.explain(window, contributions);
  auto detector = freshet::make_detector(bundle);
  for (std::size_t i = 0; i <= model.window(); ++i) {
    const std::vector<double> row(bundle.columns.size(), 0.5);
    require(detector.process(row).scored == (i + 1 >= model.window()), "what is scored");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const std::string_view manifest = next_part(rest);
  freshet::FileContents files;
  files["scaler.json"] = to_bytes(next_part(rest));
  files["threshold.json"] = to_bytes(next_part(rest));
  files["training_scores.safetensors"] = to_safetensors(next_part(rest));
  files["weights.safetensors"] = to_safetensors(next_part(rest));
  try {
    const auto document = freshet::iodetail::parse_strict_json(
        manifest, "manifest.json", "manifest.json", freshet::iodetail::max_manifest_depth);
    use(freshet::iodetail::as_model_file_error("manifest.json", [&] {
      return freshet::iodetail::parse_bundle<freshet::Bundle>(document, files);
    }));
  } catch (const freshet::ModelFileError& error) {
    require(error.code() == freshet::ErrorCode::file_corrupt ||
                error.code() == freshet::ErrorCode::file_mismatch,
            "the code of an error");
  }
  return 0;
}
