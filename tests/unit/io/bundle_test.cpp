#include "freshet/io/bundle.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <functional>
#include <ios>
#include <limits>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "freshet/io/snapshot.hpp"
#include "support/catch.hpp"
#include "support/lstm_data.hpp"
#include "support/scratch.hpp"

namespace {

using Catch::Matchers::ContainsSubstring;
using freshet::Bundle;
using freshet::Dtype;
using freshet::ErrorCode;
using freshet::LstmAutoencoder;
using freshet::Matrix;
using freshet::ModelFileError;
using freshet::SafeTensors;
using freshet::StreamingConfig;
using freshet::Tensor;
using freshet::VerifiedDirectory;
using freshet::test::Scratch;
using freshet::test::tiny;
using freshet::test::waves;
using nlohmann::ordered_json;

constexpr const char* weights_file = "weights.safetensors";
constexpr const char* scores_file = "training_scores.safetensors";

/// Two columns, windows of 6, 4 units.
Bundle trained(const LstmAutoencoder& backend = tiny()) {
  const Matrix rows = waves(60, 2);
  Bundle bundle;
  bundle.backend = backend;
  bundle.model = backend.fit(rows.view().shingled(backend.window), 3);
  bundle.columns = {"cpu", "memory"};
  bundle.threshold = 1.5;
  bundle.percentile = 99.0;
  bundle.n_rows = rows.n_rows();
  bundle.statistics = freshet::column_statistics(rows);
  bundle.created = "2026-01-31T12:00:00Z";
  return bundle;
}

VerifiedDirectory read(const std::filesystem::path& directory) {
  return freshet::read_verified_directory(directory, freshet::iodetail::bundle_format,
                                          freshet::bundle_format_version,
                                          freshet::iodetail::bundle_files);
}

/// A bundle on disk, to be changed and written with hashes that fit.
class Written {
 public:
  explicit Written(const Bundle& bundle = trained()) {
    freshet::save_bundle(directory(), bundle);
    auto content = read(directory());
    manifest = std::move(content.manifest);
    files = std::move(content.files);
  }

  ordered_json manifest;
  freshet::FileContents files;

  [[nodiscard]] std::filesystem::path directory() const { return scratch_ / "model"; }
  void put(const std::string& file, const std::string& text) {
    const auto bytes = std::as_bytes(std::span(text));
    files[file] = {bytes.begin(), bytes.end()};
  }
  void edit(const std::string& file, const std::function<void(ordered_json&)>& change) {
    auto document = freshet::iodetail::parse_file(files, file);
    change(document);
    put(file, document.dump());
  }
  void edit_tensors(const std::string& file, const std::function<void(SafeTensors&)>& change) {
    SafeTensors tensors = freshet::read_safetensors(files.at(file));
    change(tensors);
    files[file] = freshet::write_safetensors(tensors);
  }
  [[nodiscard]] Bundle load() const {
    freshet::write_verified_directory(directory(), manifest, files);
    return freshet::load_bundle(directory());
  }
  /// Why it cannot be loaded.
  [[nodiscard]] ModelFileError failure() const {
    try {
      (void)load();
    } catch (const ModelFileError& error) {
      UNSCOPED_INFO(error.what());
      return error;
    }
    FAIL("loaded");
    throw std::logic_error("not reached");
  }
  void check_refused(ErrorCode code, const std::string& text) const {
    const ModelFileError error = failure();
    CHECK(error.code() == code);
    CHECK_THAT(error.what(), ContainsSubstring(text));
    CHECK_FALSE(error.expected().empty());
  }
  void check_mismatch(const std::string& text) const {
    check_refused(ErrorCode::file_mismatch, text);
  }
  void check_corrupt(const std::string& text) const {
    check_refused(ErrorCode::file_corrupt, text);
  }

 private:
  Scratch scratch_;
};

Tensor& tensor(SafeTensors& tensors, const std::string& name) {
  for (Tensor& one : tensors.tensors) {
    if (one.name == name) return one;
  }
  throw std::logic_error(name);
}

Tensor zeros(const std::string& name, std::vector<std::size_t> shape) {
  std::size_t n = 1;
  for (const std::size_t extent : shape) n *= extent;
  return freshet::make_tensor<float>(name, std::move(shape), std::vector<float>(n));
}

}  // namespace

TEST_CASE("a bundle is the same after saving and loading, and saves to the same bytes") {
  LstmAutoencoder backend = tiny();
  backend.dtype = GENERATE(Dtype::float32, Dtype::float64);
  backend.latent_size = GENERATE(std::optional<std::size_t>{}, std::optional<std::size_t>{3});
  backend.num_layers = backend.latent_size ? 2 : 1;
  backend.scaler = freshet::Scaling::robust;
  Bundle bundle = trained(backend);
  SECTION("with everything") {}
  SECTION("of unknown origin") {
    bundle.percentile.reset();
    bundle.n_rows = 0;
    bundle.statistics.clear();
    bundle.model = bundle.model.with_training_scores({});
    bundle.library_version = "0.0.1";
  }
  SECTION("without a held-out loss") {
    backend.validation_fraction = 0.0;
    bundle = trained(backend);
  }
  const Scratch scratch;
  freshet::save_bundle(scratch / "first", bundle);
  const Bundle loaded = freshet::load_bundle(scratch / "first");
  freshet::save_bundle(scratch / "second", loaded);
  const auto first = read(scratch / "first");
  const auto second = read(scratch / "second");
  CHECK(first.manifest == second.manifest);
  CHECK(first.files == second.files);

  CHECK(loaded.backend == bundle.backend);
  CHECK(loaded.columns == bundle.columns);
  CHECK(loaded.threshold == bundle.threshold);
  CHECK(loaded.percentile == bundle.percentile);
  CHECK(loaded.n_rows == bundle.n_rows);
  CHECK(loaded.statistics == bundle.statistics);
  CHECK(loaded.created == bundle.created);
  CHECK(loaded.library_version == bundle.library_version);
  CHECK(loaded.model.scaler() == bundle.model.scaler());
  CHECK(loaded.model.sizes() == bundle.model.sizes());
  CHECK(loaded.model.dtype() == backend.dtype);
  CHECK(loaded.model.history().best_epoch == bundle.model.history().best_epoch);
  CHECK(loaded.model.history().epochs.size() == bundle.model.history().epochs.size());
  const auto scores = loaded.model.training_scores();
  CHECK(std::ranges::equal(scores, bundle.model.training_scores()));
  const Matrix rows = waves(30, 2, 9);
  CHECK(loaded.model.score(rows.view().shingled(6)) == bundle.model.score(rows.view().shingled(6)));
}

TEST_CASE("a bundle's files can be read by others") {
  const Written written;
  CHECK(written.manifest["format"] == "freshet-bundle");
  CHECK(written.manifest["format_version"] == 1);
  CHECK(written.manifest["backend"] == "lstm_autoencoder");
  CHECK(written.manifest["window"] == 6);
  CHECK(written.manifest["training"]["n_windows"] == 55);
  const SafeTensors weights = freshet::read_safetensors(written.files.at(weights_file));
  REQUIRE(weights.find("encoder.weight_ih_l0") != nullptr);
  CHECK(weights.find("encoder.weight_ih_l0")->shape == std::vector<std::size_t>{16, 2});
  REQUIRE(weights.find("output.bias") != nullptr);
  CHECK(weights.find("output.bias")->shape == std::vector<std::size_t>{2});
}

TEST_CASE("column statistics") {
  Matrix rows(4, 2);
  for (std::size_t i = 0; i < 4; ++i) rows(i, 0) = static_cast<double>(i);
  for (std::size_t i = 0; i < 4; ++i) rows(i, 1) = -2.0;
  const auto statistics = freshet::column_statistics(rows);
  REQUIRE(statistics.size() == 2);
  CHECK(statistics[0] ==
        freshet::ColumnStatistics{.min = 0.0, .max = 3.0, .mean = 1.5, .std = std::sqrt(1.25)});
  CHECK(statistics[1] ==
        freshet::ColumnStatistics{.min = -2.0, .max = -2.0, .mean = -2.0, .std = 0.0});
}

TEST_CASE("a bundle whose parts do not fit each other is not saved") {
  const Scratch scratch;
  Bundle bundle = trained();
  std::string field = "columns";
  SECTION("columns") { bundle.columns.pop_back(); }
  SECTION("names that are there twice") { bundle.columns = {"cpu", "cpu"}; }
  SECTION("statistics") { bundle.statistics.pop_back(), field = "statistics"; }
  SECTION("threshold") {
    bundle.threshold = std::numeric_limits<double>::quiet_NaN(), field = "threshold";
  }
  SECTION("model") { bundle.model = {}, field = "model"; }
  try {
    freshet::save_bundle(scratch / "model", bundle);
    FAIL("saved");
  } catch (const freshet::ConfigurationError& error) {
    CHECK(error.field() == field);
  }
  CHECK(scratch.names().empty());
}

TEST_CASE("a bundle's manifest that is wrong is refused, and says where") {
  Written written;
  ordered_json& manifest = written.manifest;
  ordered_json& parameters = manifest["backend_params"];
  SECTION("as it is, it loads") {
    CHECK(written.load().columns == std::vector<std::string>{"cpu", "memory"});
    return;
  }
  SECTION("another format") {
    manifest["format"] = "something-else";
    written.check_corrupt("something-else");
  }
  SECTION("another layout") {
    manifest["format_version"] = 2;
    written.check_refused(ErrorCode::file_version, "format_version is 2");
  }
  SECTION("another backend") {
    manifest["backend"] = "ecod";
    written.check_mismatch("ecod");
    CHECK(written.failure().field() == "backend");
  }
  SECTION("a parameter that is unknown") {
    parameters["colour"] = "blue";
    written.check_mismatch("backend_params.colour");
    CHECK(written.failure().field() == "backend_params.colour");
  }
  SECTION("a parameter that is out of range") {
    parameters["hidden_size"] = 0;
    written.check_mismatch("hidden_size must be");
  }
  SECTION("a parameter of another type") {
    parameters["learning_rate"] = "fast";
    written.check_mismatch("backend_params.learning_rate must be a number");
  }
  SECTION("a parameter that is negative") {
    parameters["epochs"] = -1;
    written.check_mismatch("backend_params.epochs must not be negative");
  }
  SECTION("a dtype that is unknown") {
    parameters["dtype"] = "float16";
    written.check_mismatch("backend_params.dtype must be one of");
  }
  SECTION("parameters that are no object") {
    manifest["backend_params"] = ordered_json::array();
    written.check_mismatch("backend_params");
  }
  SECTION("a window other than the backend's") {
    manifest["window"] = 7;
    written.check_mismatch("window must be backend_params.window");
    CHECK(written.failure().field() == "window");
  }
  SECTION("a window that is no count") {
    manifest["window"] = GENERATE(ordered_json(-6), ordered_json(6.0), ordered_json("6"));
    written.check_corrupt("window is no count");
  }
  SECTION("columns of the same name") {
    manifest["columns"] = {"cpu", "cpu"};
    written.check_mismatch("columns must be 2 names that differ");
  }
  SECTION("another number of columns") {
    manifest["columns"] = {"cpu", "memory", "disk"};
    written.check_mismatch("scaler.json: center must be as many numbers as there are columns");
  }
  SECTION("columns that are no names") {
    manifest["columns"] = {1, 2};
    written.check_corrupt("manifest.json lacks a member");
  }
  SECTION("columns with weights for others") {
    manifest["columns"] = {"cpu"};
    manifest["training"]["columns"].erase(1);
    written.edit("scaler.json", [](ordered_json& scaler) {
      scaler["center"].erase(1);
      scaler["scale"].erase(1);
    });
    written.check_mismatch("weights");
  }
  SECTION("a member that is missing") {
    const std::string name = GENERATE("backend", "backend_params", "seed", "window", "columns",
                                      "created", "library_version", "training");
    manifest.erase(name);
    written.check_corrupt("manifest.json lacks a member");
  }
  SECTION("a member of the training that is missing") {
    const std::string name = GENERATE("n_rows", "n_windows", "columns", "best_epoch", "epochs");
    manifest["training"].erase(name);
    written.check_corrupt("manifest.json lacks a member");
  }
  SECTION("a training that is none") {
    manifest["training"] = GENERATE(ordered_json(3), ordered_json("much"), ordered_json());
    written.check_corrupt("manifest.json lacks a member");
  }
  SECTION("a number of rows that is none") {
    manifest["training"]["n_rows"] = -1;
    written.check_corrupt("training.n_rows is no count");
  }
  SECTION("another number of windows") {
    manifest["training"]["n_windows"] = 54;
    written.check_mismatch("training.n_windows");
  }
  SECTION("statistics of another number of columns") {
    manifest["training"]["columns"].erase(1);
    written.check_mismatch("statistics must be one for each column");
  }
  SECTION("statistics that are no numbers") {
    manifest["training"]["columns"][0]["std"] = GENERATE(ordered_json(), ordered_json("1"));
    written.check_corrupt("manifest.json lacks a member");
  }
  SECTION("losses that are no numbers") {
    manifest["training"]["epochs"][0] = GENERATE(ordered_json(1.0), ordered_json::object());
    written.check_corrupt("manifest.json lacks a member");
  }
}

TEST_CASE("a bundle's scaler or threshold that is wrong is refused, and says where") {
  Written written;
  const std::string file = "scaler.json";
  SECTION("a scale of 0") {
    written.edit(file, [](ordered_json& scaler) { scaler["scale"][1] = 0.0; });
    written.check_mismatch("scaler.json: scale must be");
  }
  SECTION("a scale that is negative") {
    written.edit(file, [](ordered_json& scaler) { scaler["scale"][0] = -1.0; });
    written.check_mismatch("scaler.json: scale must be");
  }
  SECTION("fewer scales than centers") {
    written.edit(file, [](ordered_json& scaler) { scaler["scale"].erase(0); });
    written.check_mismatch("scaler.json: scale must be");
  }
  SECTION("of more columns") {
    written.edit(file, [](ordered_json& scaler) {
      scaler["scale"].push_back(1.0);
      scaler["center"].push_back(1.0);
    });
    written.check_mismatch("scaler.json");
  }
  SECTION("a center that is no number") {
    written.edit(file, [](ordered_json& scaler) { scaler["center"][0] = nullptr; });
    written.check_corrupt("scaler.json lacks a member");
  }
  SECTION("a center that is too large for a number") {
    written.put(file, R"({"center": [1e999, 0], "scale": [1, 1]})");
    written.check_corrupt("scaler.json is no valid JSON");
  }
  SECTION("a member that is missing") {
    const std::string name = GENERATE("center", "scale");
    written.edit(file, [&](ordered_json& scaler) { scaler.erase(name); });
    written.check_corrupt("scaler.json lacks a member");
  }
  SECTION("a file that is no object") {
    const std::string name = GENERATE("scaler.json", "threshold.json");
    written.put(name, GENERATE("[]", "7", "null"));
    written.check_corrupt(name + " lacks a member");
  }
  SECTION("a file that is no JSON") {
    const std::string name = GENERATE("scaler.json", "threshold.json");
    written.put(name, GENERATE("", "{", "{} {}", R"({"value": 1, "value": 2})"));
    written.check_corrupt(name + " is no valid JSON");
  }
  SECTION("a file that nests too deep") {
    written.put("threshold.json", "[[[[[[[[[[]]]]]]]]]]");
    written.check_corrupt("nests deeper");
  }
  SECTION("a threshold that is missing") {
    const std::string name = GENERATE("value", "percentile");
    written.edit("threshold.json", [&](ordered_json& threshold) { threshold.erase(name); });
    written.check_corrupt("threshold.json lacks a member");
  }
  SECTION("a threshold that is no number") {
    const ordered_json value = GENERATE(ordered_json(), ordered_json("much"));
    written.edit("threshold.json", [&](ordered_json& threshold) { threshold["value"] = value; });
    written.check_corrupt("threshold.json lacks a member");
  }
  SECTION("a threshold that is not finite") {
    const std::string value = GENERATE("NaN", "1e999", "-Infinity");
    written.put("threshold.json", R"({"percentile": null, "value": )" + value + "}");
    written.check_corrupt("threshold.json is no valid JSON");
  }
}

TEST_CASE("a bundle's weights that are wrong are refused, and say which") {
  Written written;
  const std::string name = "encoder.weight_ih_l0";  // 16 × 2
  const auto edit = [&](const std::function<void(SafeTensors&)>& change) {
    written.edit_tensors(weights_file, change);
  };
  SECTION("another dtype") {
    edit([&](SafeTensors& weights) {
      Tensor& one = tensor(weights, name);
      one = freshet::make_tensor<double>(name, one.shape, one.values<double>());
    });
    written.check_mismatch("is no matrix or vector of F32");
    CHECK(written.failure().field() == name);
  }
  SECTION("all of another dtype than the parameters say") {
    written.manifest["backend_params"]["dtype"] = "float64";
    written.check_mismatch("is no matrix or vector of F64");
  }
  SECTION("another shape of as many") {
    const std::vector<std::size_t> shape =
        GENERATE(values<std::vector<std::size_t>>({{2, 16}, {32}, {32, 1}}));
    edit([&](SafeTensors& weights) { tensor(weights, name).shape = shape; });
    written.check_mismatch(name + " has the shape");
    CHECK(written.failure().field() == name);
  }
  SECTION("another number of dimensions") {
    edit([&](SafeTensors& weights) { tensor(weights, name).shape = {16, 2, 1}; });
    written.check_mismatch("is no matrix or vector");
  }
  SECTION("a single number") {
    edit([&](SafeTensors& weights) { weights.tensors.push_back(zeros("one", {})); });
    written.check_mismatch("is no matrix or vector");
  }
  SECTION("more numbers") {
    edit([&](SafeTensors& weights) { tensor(weights, name) = zeros(name, {16, 3}); });
    written.check_mismatch("ask for");
  }
  SECTION("a tensor too many") {
    edit([&](SafeTensors& weights) { weights.tensors.push_back(zeros("extra", {4})); });
    written.check_mismatch("ask for");
  }
  SECTION("a tensor of nothing too many") {
    const std::vector<std::size_t> shape = GENERATE(
        values<std::vector<std::size_t>>({{0}, {0, 0}, {0, 7}, {std::size_t{1} << 60U, 0}}));
    edit([&](SafeTensors& weights) { weights.tensors.push_back(zeros("extra", shape)); });
    written.check_mismatch("extra is no parameter of this network");
  }
  SECTION("a tensor too few") {
    edit([&](SafeTensors& weights) {
      std::erase_if(weights.tensors, [&](const Tensor& one) { return one.name == name; });
    });
    written.check_mismatch("ask for");
  }
  SECTION("none at all") {
    edit([&](SafeTensors& weights) { weights.tensors.clear(); });
    written.check_mismatch("holds 0 weights");
  }
  SECTION("another name") {
    edit([&](SafeTensors& weights) { tensor(weights, name).name = "encoder.weight"; });
    written.check_mismatch("encoder.weight is no parameter of this network");
  }
  SECTION("two that are the same in number for one") {
    edit([&](SafeTensors& weights) {
      std::erase_if(weights.tensors, [&](const Tensor& one) { return one.name == name; });
      weights.tensors.push_back(zeros("encoder.weight_ih_l1", {16, 2}));
    });
    written.check_mismatch("encoder.weight_ih_l1 is no parameter");
  }
  SECTION("values that are no numbers") {
    const float value =
        GENERATE(std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity());
    edit([&](SafeTensors& weights) {
      std::vector<float> values(32);
      values[31] = value;
      tensor(weights, name) = freshet::make_tensor<float>(name, {16, 2}, values);
    });
    written.check_mismatch("not finite");
    CHECK(written.failure().field() == name);
  }
  SECTION("few, for parameters that ask for gigabytes") {
    written.manifest["backend_params"]["hidden_size"] = 4096;
    written.manifest["backend_params"]["num_layers"] = 16;
    written.manifest["backend_params"]["latent_size"] = 4096;
    written.check_mismatch("ask for");
  }
  SECTION("for more layers") {
    written.manifest["backend_params"]["num_layers"] = 2;
    written.check_mismatch("ask for");
  }
  SECTION("a file that is none") {
    written.put(weights_file, GENERATE("", "weights", "sixteen letters!"));
    written.check_corrupt(weights_file);
  }
}

TEST_CASE("a bundle's training scores that are wrong are refused") {
  Written written;
  SECTION("under another name") {
    written.edit_tensors(scores_file,
                         [](SafeTensors& scores) { scores.tensors.front().name = "scores"; });
    written.check_mismatch("training_scores must be a tensor of the file");
  }
  SECTION("one fewer") {
    written.edit_tensors(scores_file, [](SafeTensors& scores) {
      scores.tensors.front() =
          freshet::make_tensor<double>("training_scores", {54}, std::vector<double>(54));
    });
    written.check_mismatch("training.n_windows");
  }
  SECTION("no numbers") {
    written.edit_tensors(scores_file, [](SafeTensors& scores) {
      const std::vector<double> values(55, std::numeric_limits<double>::quiet_NaN());
      scores.tensors.front() = freshet::make_tensor<double>("training_scores", {55}, values);
    });
    written.check_mismatch("training_scores must be finite");
  }
  SECTION("a file that is none") {
    written.put(scores_file, "scores");
    written.check_corrupt(scores_file);
  }
}

TEST_CASE("a bundle that was damaged on disk is refused") {
  const Written written;
  SECTION("a byte of any file") {
    for (const auto& [name, bytes] : written.files) {
      (void)written.load();
      std::fstream file(written.directory() / name,
                        std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(static_cast<std::streamoff>(bytes.size() / 2));
      file.put('#');
      file.close();
      try {
        (void)freshet::load_bundle(written.directory());
        FAIL("loaded with another " + name);
      } catch (const ModelFileError& error) {
        CHECK(error.code() == ErrorCode::file_hash);
        CHECK_THAT(error.what(), ContainsSubstring(name));
      }
    }
  }
  SECTION("a file that is missing") {
    std::filesystem::remove(written.directory() / "threshold.json");
    CHECK_THROWS_WITH(freshet::load_bundle(written.directory()),
                      ContainsSubstring("threshold.json"));
  }
  SECTION("no directory") {
    try {
      (void)freshet::load_bundle(written.directory() / "elsewhere");
      FAIL("loaded nothing");
    } catch (const ModelFileError& error) {
      CHECK(error.code() == ErrorCode::file_missing);
    }
  }
}

TEST_CASE("a bundle's detector streams what its model scores, to the bit") {
  const Scratch scratch;
  freshet::save_bundle(scratch / "model", trained());
  const Bundle bundle = freshet::load_bundle(scratch / "model");
  const Matrix rows = waves(300, 2, 5);
  const std::vector<double> expected = bundle.model.score(rows.view().shingled(6));
  auto detector = freshet::make_detector(bundle);
  CHECK(detector.config().shingle == 6);
  CHECK(detector.config().columns == bundle.columns);
  CHECK(detector.backend() == bundle.backend);
  for (std::size_t i = 0; i < rows.n_rows(); ++i) {
    if (i % 50 == 3) {
      detector = freshet::restore<freshet::StreamingDetector<LstmAutoencoder>>(
          freshet::snapshot(detector));
    }
    const freshet::Result result = detector.process(rows.row(i));
    REQUIRE(result.scored == (i >= 5));
    if (i < 5) continue;
    REQUIRE(result.raw_score == expected[i - 5]);
    REQUIRE(result.score == expected[i - 5]);
    REQUIRE(result.is_anomaly == (expected[i - 5] > bundle.threshold));
    REQUIRE(result.model_version == 1);
  }
  std::vector<double> contributions(12);
  bundle.model.explain(rows.view().shingled(6).row(294), contributions);
  const auto explained = [&] {
    auto before = freshet::make_detector(bundle);
    for (std::size_t i = 294; i < 299; ++i) (void)before.process(rows.row(i));
    return before.explain(rows.row(299));
  }();
  REQUIRE(explained.size() == 2);
  CHECK(explained[0] + explained[1] == Approx(expected.back()));
}

TEST_CASE("what a bundle's detector may be told, and what the bundle decides") {
  const Bundle bundle = trained();
  StreamingConfig config = bundle.streaming_config();
  CHECK(config.retrain == freshet::Retrain::manual);
  config.retrain = freshet::Retrain::inline_;
  SECTION("later thresholds at the bundle's percentile") {
    Bundle other = bundle;
    for (const double percent : {99.0, 85.0, 50.0}) {
      other.percentile = percent;
      CHECK(other.streaming_config().contamination == Approx(1.0 - percent / 100.0));
    }
    for (const double percent : {100.0, 10.0}) {  // no contamination that a detector may have
      other.percentile = percent;
      CHECK(other.streaming_config().contamination == StreamingConfig{}.contamination);
    }
  }
  SECTION("raw scores only") {
    config.normalization = freshet::Normalization::calibrated;
    CHECK_THROWS_AS(freshet::make_detector(bundle, config), freshet::ConfigurationError);
  }
  SECTION("a threshold of its own") {
    config.threshold = 0.25;
    CHECK(freshet::make_detector(bundle, config).generation()->threshold() == 0.25);
  }
  SECTION("names of its own") {
    config.columns = {"a", "b"};
    CHECK(freshet::make_detector(bundle, config).config().columns ==
          std::vector<std::string>{"a", "b"});
  }
  SECTION("as many columns as the model has") {
    config.columns = {"a", "b", "c"};
    CHECK_THROWS_AS(freshet::make_detector(bundle, config), freshet::ConfigurationError);
  }
  SECTION("no other features") {
    config.lag_periods = {1};
    CHECK_THROWS_AS(freshet::make_detector(bundle, config), freshet::ConfigurationError);
  }
  SECTION("no other window") {
    config.shingle = 4;
    CHECK_THROWS_AS(freshet::make_detector(bundle, config), freshet::ConfigurationError);
  }
  SECTION("room for at least a window") {
    config.min_samples = 2;
    config.window_size = 2;
    CHECK_THROWS_AS(freshet::make_detector(bundle, config), freshet::ConfigurationError);
  }
  SECTION("to train on, beginning with the bundle's weights") {
    config.min_samples = 40;
    config.retrain_interval = 60;
    auto detector = freshet::make_detector(bundle, config);
    const Matrix rows = waves(60, 2);
    for (std::size_t i = 0; i < 60; ++i) (void)detector.process(rows.row(i));
    REQUIRE(detector.stats().model_version == 2);
    const auto windows = rows.view().shingled(6);
    CHECK(detector.generation()->model().score(windows) ==
          bundle.backend.fit(windows, config.seed, &bundle.model).score(windows));
  }
}

TEST_CASE("the present as a bundle has it") {
  const std::string now = freshet::utc_now();
  const std::string form = "dddd-dd-ddTdd:dd:ddZ";
  REQUIRE(now.size() == form.size());
  for (std::size_t i = 0; i < form.size(); ++i) {
    CHECK((form[i] == 'd' ? now[i] >= '0' && now[i] <= '9' : now[i] == form[i]));
  }
  CHECK(now >= "2025");
  CHECK(now <= freshet::utc_now());
}
