#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "bind.hpp"
#include "detector_helpers.hpp"
#include "freshet/core/error.hpp"
#include "freshet/core/result.hpp"
#include "freshet/io/trained_model.hpp"
#include "freshet/stream/detector_pool.hpp"
#include "json.hpp"
#include "points.hpp"
#include "results.hpp"
#include "rows.hpp"
#include "session.hpp"

/// @file
/// Many detectors by id.

namespace py = pybind11;
using namespace pybind11::literals;

namespace freshet::python {

namespace {

/// As in Detector, no thread ever waits for a stream's lock while it holds the GIL.
class Pool {
 public:
  explicit Pool(Session prototype)
      : pool_([prototype = std::move(prototype)] { return prototype; }) {}

  Result process(std::string_view stream_id, py::handle row, py::handle timestamp) {
    ReadRow read(row);
    const std::optional<double> time = read_timestamp(timestamp);
    Result result;
    const auto use = [&](Session& session) { result = session.process(read.row(), time); };
    if (!process_at_once(stream_id, use)) {
      const py::gil_scoped_release release;
      pool_.with(stream_id, use);
    }
    return result;
  }

  py::array process_many(std::string_view stream_id, const py::object& rows,
                         const py::object& names,
                         const std::optional<BatchTimes::Array>& timestamps) {
    const ReadBatch read(rows, names);
    const Records records(read.batch().rows.n_rows());
    process_into(records.results, stream_id, read, timestamps,
                 [&](const auto& use) { pool_.with(stream_id, use); });
    return records.take();
  }

  /// As process_many for a stream that there is, for the service, which wants no array.
  /// @throws UnknownStreamError
  py::tuple verdicts(std::string_view stream_id, const py::object& rows, const py::object& names,
                     const std::optional<BatchTimes::Array>& timestamps) {
    const ReadBatch read(rows, names);
    const RecordBytes records(read.batch().rows.n_rows());
    process_into(records.results, stream_id, read, timestamps,
                 [&](const auto& use) { pool_.with_existing(stream_id, use); });
    return summary(records);
  }

  /// For rows of streams that there are, scored without Python's lock from the first to the last.
  /// Of those that are in no run it is left to `verdicts` to say why not.
  py::list answer(const py::list& given) {
    std::deque<std::optional<Point>> points;
    for (const py::handle one : given) {
      points.emplace_back();
      try {
        points.back().emplace(one.cast<py::tuple>());
      } catch (const std::exception&) {
        points.back().reset();  // no reason to fail the others
      }
    }
    std::vector<Run> runs;
    {
      const py::gil_scoped_release release;
      for (std::optional<Point>& point : points) {
        if (!point) continue;
        try {
          pool_.with_existing(point->stream_id(),
                              [&](Session& session) { point->process(session); });
        } catch (const UnknownStreamError&) {
          continue;
        }
      }
      runs = runs_of(points);
    }
    py::list taken;
    for (const Run& run : runs) taken.append(run.take());
    return taken;
  }

  void check(std::string_view stream_id, const py::object& rows, const py::object& names,
             const std::optional<BatchTimes::Array>& timestamps) const {
    const ReadBatch read(rows, names);
    const BatchTimes times(timestamps, read.batch().rows.n_rows());
    const auto use = [&](Session& session) { session.check(read.batch(), times.view()); };
    if (is_single(read) && pool_.try_with(stream_id, use)) return;
    const py::gil_scoped_release release;
    pool_.with_existing_or_fresh(stream_id, use);
  }

  void add(std::string_view stream_id, const py::dict& settings, const TrainedModel* model) {
    Session session = make_session(settings, model);
    const py::gil_scoped_release release;
    require_parameter(pool_.add(stream_id, std::move(session)), "stream_id",
                      "the id of a stream that the pool does not have yet");
  }

  Score score(std::string_view stream_id, py::handle row) const {
    ReadRow read(row);
    return existing(stream_id, [&](Session& session) { return session.score(read.row()); });
  }

  // With what the contributions are of, since the stream may be another one at the next call.
  py::tuple explain(std::string_view stream_id, py::handle row) const {
    ReadRow read(row);
    const auto [explained, columns, features, origins] = existing(stream_id, [&](Session& session) {
      ExplainedScore explained = session.explain(read.row());
      return std::tuple(std::move(explained), session.columns(), session.feature_names(),
                        session.feature_columns());
    });
    return py::make_tuple(to_python(explained), columns, features, origins);
  }

  py::dict stats(std::string_view stream_id) const {
    return to_python(existing(stream_id, [](Session& session) { return session.stats(); }));
  }

  void retrain(std::string_view stream_id) {
    existing(stream_id, [](Session& session) { session.retrain(); });
  }

  void reset(std::string_view stream_id) {
    existing(stream_id, [](Session& session) { session.reset(); });
  }

  std::optional<AnyTraining> training(std::string_view stream_id) const {
    return existing(stream_id, [](Session& session) { return session.training(); });
  }

  bool publish(std::string_view stream_id, const TrainedModel& model) {
    return existing(stream_id, [&](Session& session) { return session.publish(model); });
  }

  bool abandon_training(std::string_view stream_id, std::string_view why,
                        std::optional<std::uint64_t> number) {
    return existing(stream_id,
                    [&](Session& session) { return session.abandon_training(why, number); });
  }

  py::object settings(std::string_view stream_id) const {
    return from_json(existing(stream_id, [](Session& session) { return session.settings(); }));
  }

  std::vector<std::string> columns(std::string_view stream_id) const {
    return existing(stream_id, [](Session& session) { return session.columns(); });
  }

  void wait(std::string_view stream_id) const {
    for (;;) {
      const std::function<void()> waiter = existing(stream_id, [](Session& session) {
        session.adopt();
        return session.waiter();
      });
      if (!waiter) return;
      const py::gil_scoped_release release;
      waiter();
    }
  }

  void remove(std::string_view stream_id) {
    existing(stream_id, [](const Session& /*there is one*/) {});
    const py::gil_scoped_release release;
    pool_.remove(stream_id);
  }

  py::bytes snapshot(std::string_view stream_id) const {
    return to_python(existing(stream_id, [](Session& session) { return session.snapshot(); }));
  }

  void restore(std::string_view stream_id, const py::bytes& data) {
    Session session = restore_session(data);
    const py::gil_scoped_release release;
    pool_.insert_or_assign(stream_id, std::move(session));
  }

  bool contains(std::string_view stream_id) const {
    const py::gil_scoped_release release;
    return pool_.contains(stream_id);
  }

  std::size_t size() const {
    const py::gil_scoped_release release;
    return pool_.size();
  }

  std::vector<std::string> stream_ids() const {
    const py::gil_scoped_release release;
    return pool_.stream_ids();
  }

 private:
  /// @param wait calls what it is given with the stream, for as long as that may take.
  template <class Wait>
  void process_into(std::span<Result> results, std::string_view stream_id, const ReadBatch& read,
                    const std::optional<BatchTimes::Array>& timestamps, const Wait& wait) {
    const BatchTimes times(timestamps, results.size());
    const auto use = [&](Session& session) {
      session.process_many(read.batch(), results, times.view());
    };
    if (is_single(read) && process_at_once(stream_id, use)) return;
    const py::gil_scoped_release release;
    wait(use);
  }

  /// Scoring a row takes less time than giving the GIL away and getting it back, for which others
  /// may make this thread wait for milliseconds.
  static bool is_single(const ReadBatch& read) { return read.batch().rows.n_rows() == 1; }

  /// Calls `use` with the GIL, unless the stream is in use or may train.
  /// @return whether `use` was called.
  template <class Use>
  bool process_at_once(std::string_view stream_id, const Use& use) {
    return pool_.try_with(stream_id, [&](Session& session) {
      std::optional<py::gil_scoped_release> release;
      if (session.may_train()) release.emplace();
      use(session);
    });
  }

  template <class Use>
  std::invoke_result_t<const Use&, Session&> existing(std::string_view stream_id,
                                                      const Use& use) const {
    const py::gil_scoped_release release;
    return pool_.with_existing(stream_id, use);
  }

  DetectorPool<Session> pool_;
};

}  // namespace

void bind_pool(py::module_& module) {
  py::class_<Pool>(module, "Pool", "Streaming detectors by id; see freshet.DetectorPool.")
      .def(py::init([](const py::dict& settings) {
             return std::make_unique<Pool>(Session(to_json(settings, "")));
           }),
           "settings"_a, "__init__(self, settings)\n--\n\n")
      .def("process", &Pool::process, "stream_id"_a, "row"_a, "timestamp"_a = py::none(),
           "process(self, stream_id, row, timestamp=None)\n--\n\n")
      .def("process_many", &Pool::process_many, "stream_id"_a, "rows"_a, "names"_a = py::none(),
           "timestamps"_a = py::none(),
           "process_many(self, stream_id, rows, names=None, timestamps=None)\n--\n\n")
      .def("verdicts", &Pool::verdicts, "stream_id"_a, "rows"_a, "names"_a = py::none(),
           "timestamps"_a = py::none(),
           "verdicts(self, stream_id, rows, names=None, timestamps=None)\n--\n\n"
           "What process_many gives as bytes, how many rows were scored and how many of them are "
           "anomalies, the largest score or None, and of the last row scored, is_anomaly, status, "
           "raw_score, samples_until_ready and index.")
      .def("answer", &Pool::answer, "points"_a,
           "answer(self, points)\n--\n\n"
           "For rows of streams that there are, as tuples of the stream's id, an array with one "
           "row or a list of one, an array's columns and when it came: runs of them that are one "
           "event, with encode_rows, "
           "verdicts and for each row its index, its verdicts and records_json. Rows that are "
           "refused are in none, and change nothing.")
      .def("check", &Pool::check, "stream_id"_a, "rows"_a, "names"_a = py::none(),
           "timestamps"_a = py::none(),
           "check(self, stream_id, rows, names=None, timestamps=None)\n--\n\n")
      .def("add", &Pool::add, "stream_id"_a, "settings"_a, "model"_a = py::none(),
           "add(self, stream_id, settings, model=None)\n--\n\n")
      .def("score", &Pool::score, "stream_id"_a, "row"_a, "score(self, stream_id, row)\n--\n\n")
      .def("explain", &Pool::explain, "stream_id"_a, "row"_a,
           "explain(self, stream_id, row)\n--\n\n")
      .def("stats", &Pool::stats, "stream_id"_a, "stats(self, stream_id)\n--\n\n")
      .def("retrain", &Pool::retrain, "stream_id"_a, "retrain(self, stream_id)\n--\n\n")
      .def("reset", &Pool::reset, "stream_id"_a, "reset(self, stream_id)\n--\n\n")
      .def("training", &Pool::training, "stream_id"_a, "training(self, stream_id)\n--\n\n")
      .def("publish", &Pool::publish, "stream_id"_a, "model"_a,
           "publish(self, stream_id, model)\n--\n\n")
      .def("abandon_training", &Pool::abandon_training, "stream_id"_a, "why"_a,
           "version"_a = py::none(), "abandon_training(self, stream_id, why, version=None)\n--\n\n")
      .def("settings", &Pool::settings, "stream_id"_a, "settings(self, stream_id)\n--\n\n")
      .def("columns", &Pool::columns, "stream_id"_a, "columns(self, stream_id)\n--\n\n")
      .def("wait", &Pool::wait, "stream_id"_a, "wait(self, stream_id)\n--\n\n")
      .def("remove", &Pool::remove, "stream_id"_a, "remove(self, stream_id)\n--\n\n")
      .def("snapshot", &Pool::snapshot, "stream_id"_a, "snapshot(self, stream_id)\n--\n\n")
      .def("restore", &Pool::restore, "stream_id"_a, "data"_a,
           "restore(self, stream_id, data)\n--\n\n")
      .def("contains", &Pool::contains, "stream_id"_a, "contains(self, stream_id)\n--\n\n")
      .def("stream_ids", &Pool::stream_ids, "stream_ids(self)\n--\n\n")
      .def("__len__", &Pool::size, "__len__(self)\n--\n\n");
}

}  // namespace freshet::python
