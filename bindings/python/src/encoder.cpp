#include "freshet/features/encoder.hpp"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "batch_cells.hpp"
#include "bind.hpp"
#include "freshet/core/columns.hpp"
#include "freshet/core/error.hpp"
#include "freshet/core/validate.hpp"
#include "freshet/features/encoding.hpp"
#include "freshet/io/encoder_json.hpp"
#include "freshet/io/json_fields.hpp"
#include "json.hpp"
#include "rows.hpp"

/// @file
/// The encoder of whole tables.

namespace py = pybind11;
using namespace pybind11::literals;

namespace freshet::python {

namespace {

std::vector<std::string> column_names(const Batch& batch) {
  std::vector<std::string> names(batch.names.begin(), batch.names.end());
  for (std::size_t i = names.size(); i < batch.rows.n_columns(); ++i) {
    names.push_back("f" + std::to_string(i));
  }
  return names;
}

/// An Encoder that is replaced by every fit. Threads that use one keep it while they do.
class BatchEncoder {
 public:
  explicit BatchEncoder(Schema schema) : schema_(std::move(schema)) { validate(schema_); }

  void fit(const py::object& rows, const py::object& names) {
    const ReadBatch read(rows, names);
    std::shared_ptr<const Encoder> fitted;
    {
      const py::gil_scoped_release release;
      if (read.batch().rows.empty()) throw to_error(RowFault{ErrorCode::batch_empty});
      BatchCells cells(read.batch());
      fitted = std::make_shared<const Encoder>(
          Encoder::fit(column_names(read.batch()), schema_, cells.rows()));
    }
    encoder_ = std::move(fitted);
  }

  [[nodiscard]] py::array_t<double> transform(const py::object& rows,
                                              const py::object& names) const {
    const std::shared_ptr<const Encoder> encoder = fitted();
    const ReadBatch read(rows, names);
    const Batch batch = read.batch();
    const std::size_t width = encoder->n_outputs();
    py::array_t<double> encoded({batch.rows.n_rows(), width});
    double* out = encoded.mutable_data();
    const py::gil_scoped_release release;
    BatchCells cells(batch, order(*encoder, batch));
    const CellRows all = cells.rows();
    for (std::size_t i = 0; i < all.n_rows(); ++i, out += width) {
      encoder->encode(all.row(i), {out, width}, i);
    }
    return encoded;
  }

  [[nodiscard]] py::object state() const { return from_json(to_json(*fitted())); }

  [[nodiscard]] static BatchEncoder from_state(const py::dict& state) {
    Encoder encoder = encoder_from_json(to_json(state, ""));
    require_parameter(encoder.is_fitted(), "is_fitted", "true");
    BatchEncoder restored(encoder.schema());
    restored.encoder_ = std::make_shared<const Encoder>(std::move(encoder));
    return restored;
  }

  [[nodiscard]] py::object schema() const {
    JsonWriter writer;
    writer("schema", schema_);
    const nlohmann::json& json = writer.object()["schema"];
    return json.is_null() ? py::object(py::dict()) : from_json(json);
  }

  [[nodiscard]] std::vector<std::string> columns() const {
    if (encoder_ == nullptr) return {};
    return {encoder_->columns().begin(), encoder_->columns().end()};
  }

  [[nodiscard]] std::vector<std::string> feature_names() const {
    return encoder_ == nullptr ? std::vector<std::string>{} : encoder_->names();
  }

 private:
  [[nodiscard]] std::shared_ptr<const Encoder> fitted() const {
    if (encoder_ != nullptr) return encoder_;
    throw NotReadyError(ErrorCode::not_ready, "the encoder has not been fitted yet", "rows",
                        "fit to be called first");
  }

  static std::vector<std::size_t> order(const Encoder& encoder, const Batch& batch) {
    if (batch.names.empty() || std::ranges::equal(encoder.columns(), batch.names)) return {};
    return Columns({encoder.columns().begin(), encoder.columns().end()}).order(batch.names);
  }

  Schema schema_;
  std::shared_ptr<const Encoder> encoder_;
};

std::unique_ptr<BatchEncoder> make_encoder(const py::dict& schema) {
  nlohmann::json settings = nlohmann::json::object();
  settings["schema"] = to_json(schema, "schema");
  Schema read;
  JsonReader reader(settings);
  reader("schema", read);
  return std::make_unique<BatchEncoder>(std::move(read));
}

}  // namespace

void bind_encoder(py::module_& module) {
  py::class_<BatchEncoder>(module, "Encoder", "From cells to numbers; see freshet.Encoder.")
      .def(py::init(&make_encoder), "schema"_a, "__init__(self, schema)\n--\n\n")
      .def("fit", &BatchEncoder::fit, "rows"_a, "names"_a = py::none(),
           "fit(self, rows, names=None)\n--\n\n")
      .def("transform", &BatchEncoder::transform, "rows"_a, "names"_a = py::none(),
           "transform(self, rows, names=None)\n--\n\n")
      .def("state", &BatchEncoder::state, "state(self)\n--\n\n")
      .def_static("from_state", &BatchEncoder::from_state, "state"_a, "from_state(state)\n--\n\n")
      .def("schema", &BatchEncoder::schema, "schema(self)\n--\n\n")
      .def("columns", &BatchEncoder::columns, "columns(self)\n--\n\n")
      .def("feature_names", &BatchEncoder::feature_names, "feature_names(self)\n--\n\n");
}

}  // namespace freshet::python
