// The archive of a small LSTM autoencoder with some bytes changed, and bytes as they are.

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "freshet/backends/lstm_autoencoder.hpp"
#include "freshet/io/archive.hpp"
#include "require.hpp"

namespace {

using freshet::LstmAutoencoderModel;
using freshet::fuzz::require;

std::vector<std::byte> bytes_of(const LstmAutoencoderModel& model) {
  freshet::ArchiveWriter writer;
  writer(model);
  return std::move(writer).take();
}

std::vector<std::byte> valid() {
  freshet::LstmAutoencoder backend;
  backend.window = 3;
  backend.hidden_size = 2;
  backend.latent_size = 1;
  backend.epochs = 1;
  freshet::Matrix rows(8, 2);
  for (std::size_t i = 0; i < 16; ++i) rows(i / 2, i % 2) = static_cast<double>(i * i % 7);
  return bytes_of(backend.fit(rows.view().shingled(3)));
}

void check(std::span<const std::byte> bytes) {
  freshet::ArchiveReader reader(bytes);
  LstmAutoencoderModel model;
  try {
    reader(model);
  } catch (const freshet::SnapshotError&) {
    return;
  }
  const std::vector<std::byte> written = bytes_of(model);
  require(written.size() == bytes.size() - reader.remaining(), "what was read is written");
  if (model.n_features() > 1000) return;
  const std::vector<double> window(model.n_features(), 1.0);
  std::vector<double> contributions(model.n_features());
  (void)model.score(window);
  model.explain(window, contributions);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  check(bytes);
  static const std::vector<std::byte> whole = valid();
  std::vector<std::byte> changed = whole;
  // Three bytes each: where, and what to put there.
  for (std::size_t i = 0; i + 3 <= size; i += 3) {
    changed[(std::size_t{data[i]} * 256 + data[i + 1]) % changed.size()] = bytes[i + 2];
  }
  check(changed);
  if (size % 3 == 1) check(std::span<const std::byte>(changed).first(data[size - 1]));
  return 0;
}
