// The LSTM autoencoder's model to bytes and back.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "freshet/backends/lstm_autoencoder.hpp"
#include "freshet/io/archive.hpp"
#include "support/backend_data.hpp"
#include "support/catch.hpp"
#include "support/lstm_data.hpp"

namespace {

using freshet::AffineTransform;
using freshet::ArchiveReader;
using freshet::ArchiveWriter;
using freshet::Dtype;
using freshet::LstmAutoencoder;
using freshet::LstmAutoencoderModel;
using freshet::Matrix;
using freshet::SnapshotError;
using freshet::test::bytes_of;
using freshet::test::tiny;
using freshet::test::waves;

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr std::size_t huge = std::numeric_limits<std::size_t>::max();

LstmAutoencoderModel read_model(std::span<const std::byte> bytes) {
  ArchiveReader reader(bytes);
  LstmAutoencoderModel model;
  reader(model);
  CHECK(reader.remaining() == 0);
  return model;
}

/// What an archive of a model with one column, one unit and one layer holds.
struct Stored {
  std::uint8_t dtype = 0;
  std::size_t n_columns = 1;
  std::size_t hidden_size = 1;
  std::size_t num_layers = 1;
  std::size_t latent_size = 0;
  std::size_t window = 2;
  AffineTransform scaler = AffineTransform::identity(1);
  freshet::nn::TrainingHistory history = {};
  std::vector<double> training_scores = {};
  std::vector<float> weights = std::vector<float>(34, 0.5F);

  [[nodiscard]] std::vector<std::byte> bytes() const {
    ArchiveWriter writer;
    writer(dtype, n_columns, hidden_size, num_layers, latent_size, window, scaler, history,
           training_scores, weights);
    return std::move(writer).take();
  }
};

}  // namespace

TEST_CASE("a model goes through bytes unchanged") {
  LstmAutoencoder backend = tiny();
  backend.dtype = GENERATE(Dtype::float32, Dtype::float64);
  backend.latent_size = GENERATE(std::optional<std::size_t>{}, std::optional<std::size_t>{3});
  backend.num_layers = backend.latent_size ? 2 : 1;
  const Matrix rows = waves(50, 2);
  const auto windows = rows.view().shingled(6);
  const LstmAutoencoderModel model = backend.fit(windows, 3);
  const auto bytes = bytes_of(model);
  const LstmAutoencoderModel copy = read_model(bytes);
  CHECK(bytes_of(copy) == bytes);
  CHECK(copy.score(windows) == model.score(windows));
  CHECK(copy.dtype() == model.dtype());
  CHECK(copy.sizes() == model.sizes());
  CHECK(copy.window() == model.window());
  CHECK(copy.scaler() == model.scaler());
  CHECK(copy.history() == model.history());
  CHECK(std::vector(copy.training_scores().begin(), copy.training_scores().end()) ==
        model.score(windows));
}

TEST_CASE("a model's archive that ends early is refused") {
  const auto bytes = bytes_of(tiny().fit(waves(40, 2).view().shingled(6)));
  for (std::size_t n = 0; n < bytes.size(); n += 97) {
    ArchiveReader reader({bytes.data(), n});
    LstmAutoencoderModel model;
    CHECK_THROWS_AS(reader(model), SnapshotError);
  }
}

TEST_CASE("a model's archive of inconsistent parts is refused") {
  Stored stored;
  const LstmAutoencoderModel whole = read_model(stored.bytes());
  CHECK(whole.n_features() == 2);
  CHECK(bytes_of(whole) == stored.bytes());

  SECTION("dtype") { stored.dtype = GENERATE(as<std::uint8_t>{}, 2, 255); }
  SECTION("float weights called double") { stored.dtype = 1; }
  SECTION("no columns") { stored.n_columns = 0, stored.scaler = AffineTransform::identity(0); }
  SECTION("columns") { stored.n_columns = GENERATE(std::size_t{2}, std::size_t{65'537}, huge); }
  SECTION("hidden_size") {
    stored.hidden_size = GENERATE(std::size_t{0}, std::size_t{4096}, std::size_t{4097}, huge);
  }
  SECTION("num_layers") {
    stored.num_layers = GENERATE(std::size_t{0}, std::size_t{16}, std::size_t{17}, huge);
  }
  SECTION("latent_size") {
    stored.latent_size = GENERATE(std::size_t{1}, std::size_t{4096}, std::size_t{4097}, huge);
  }
  SECTION("window") {
    stored.window = GENERATE(std::size_t{0}, std::size_t{1}, std::size_t{100'001}, huge);
  }
  SECTION("scaler") { stored.scaler = AffineTransform::identity(2); }
  SECTION("one weight fewer") { stored.weights.pop_back(); }
  SECTION("one weight more") { stored.weights.push_back(0.0F); }
  SECTION("no weights") { stored.weights.clear(); }
  SECTION("weights that are no numbers") {
    const std::size_t at = GENERATE(std::size_t{0}, std::size_t{33});
    stored.weights[at] = GENERATE(as<float>{}, not_a_number, infinity, -infinity);
  }
  SECTION("the largest sizes that are in range, and few weights") {
    stored.n_columns = 65'536;
    stored.scaler = AffineTransform::identity(65'536);
    stored.hidden_size = 4096;
    stored.latent_size = 4096;
    stored.num_layers = 16;
  }
  CHECK_THROWS_AS(read_model(stored.bytes()), SnapshotError);
}

TEST_CASE("a model's archive in which any byte is another is a model or refused") {
  const auto bytes = bytes_of(tiny().fit(waves(20, 1).view().shingled(6)));
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    auto damaged = bytes;
    damaged[at] ^= std::byte{0x80};
    ArchiveReader reader(damaged);
    LstmAutoencoderModel model;
    try {
      reader(model);
    } catch (const SnapshotError&) {
      continue;
    }
    if (model.n_features() > 1000) continue;
    const std::vector<double> window(model.n_features(), 1.0);
    (void)model.score(window);
  }
}
