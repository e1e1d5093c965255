"""What cannot be accepted is a typed error that names its place, and leaves no trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import freshet
import numpy as np
import pandas as pd
import polars as pl
import pytest
from freshet import StreamingDetector
from freshet_testing import stream

X = stream(200)
NAMES = ["load", "heat", "flow"]
ROW = {"load": 1.0, "heat": 2.0, "flow": 3.0}


def detector_after(n_rows: int) -> StreamingDetector:
    detector = StreamingDetector(
        columns=NAMES, min_samples=50, rolling_windows=[3], lag_periods=[1], retrain="inline"
    )
    if n_rows:
        detector.process_many(X[:n_rows], np.arange(n_rows))
    return detector


@pytest.fixture(params=[0, 20, 50, 180], ids=["unused", "collecting", "trained", "retrained"])
def detector(request: pytest.FixtureRequest) -> StreamingDetector:
    return detector_after(request.param)


def refused(detector: StreamingDetector, call: Callable[[], Any]) -> freshet.DataError:
    """The error of a call that must change nothing."""
    before = detector.snapshot()
    with pytest.raises(freshet.DataError) as caught:
        call()
    assert detector.snapshot() == before
    error = caught.value
    assert isinstance(error, ValueError)
    assert str(error)
    assert error.expected
    return error


VALUES = [
    (float("nan"), "value_non_finite"),
    (float("inf"), "value_non_finite"),
    (float("-inf"), "value_non_finite"),
    (1e101, "value_out_of_range"),
    (-1e101, "value_out_of_range"),
]
WEIRD_VALUES = [
    (None, "value_non_finite"),
    ("1.0", "value_non_finite"),
    (b"1", "value_non_finite"),
    ([1.0], "value_non_finite"),
    (1 + 2j, "value_non_finite"),
    (10**400, "value_out_of_range"),
]


@pytest.mark.parametrize(("value", "id_"), VALUES + WEIRD_VALUES)
@pytest.mark.parametrize("form", [dict, list, tuple, pd.Series])
def test_bad_value_in_a_row(detector: StreamingDetector, form: Any, value: Any, id_: str) -> None:
    row = ROW | {"heat": value}
    if form in (list, tuple):
        row = form(row.values())
    elif form is pd.Series:
        row = pd.Series(row, dtype=object)
    error = refused(detector, lambda: detector.process(row))
    assert (error.id, error.row, error.column) == (id_, 0, 1)
    assert error.field == ("heat" if isinstance(row, (dict, pd.Series)) else error.field)
    assert error.field in ("heat", "1")


@pytest.mark.parametrize(("value", "id_"), VALUES)
@pytest.mark.parametrize("dtype", [np.float64, object])
def test_bad_value_in_an_array(
    detector: StreamingDetector, value: float, id_: str, dtype: Any
) -> None:
    row = np.array([1.0, 2.0, value], dtype=dtype)
    error = refused(detector, lambda: detector.process(row))
    assert (error.id, error.row, error.column, error.field) == (id_, 0, 2, "flow")


BATCHES: dict[str, Callable[[np.ndarray], Any]] = {
    "array": lambda rows: rows,
    "lists": lambda rows: rows.tolist(),
    "arrays": list,
    "mappings": lambda rows: [dict(zip(NAMES, row, strict=True)) for row in rows.tolist()],
    "pandas": lambda rows: pd.DataFrame(rows, columns=NAMES),
    "polars": lambda rows: pl.DataFrame(rows, schema=NAMES, nan_to_null=True),
}


@pytest.mark.parametrize(("value", "id_"), VALUES)
@pytest.mark.parametrize("form", BATCHES)
def test_bad_value_in_a_batch(
    detector: StreamingDetector, form: str, value: float, id_: str
) -> None:
    rows = X[:30].copy()
    rows[17, 2] = value
    rows[20, 0] = np.nan  # the first one is named
    batch = BATCHES[form](rows)
    error = refused(detector, lambda: detector.process_many(batch))
    assert (error.id, error.row, error.column, error.field) == (id_, 17, 2, "flow")


@pytest.mark.parametrize(("value", "id_"), WEIRD_VALUES)
@pytest.mark.parametrize("form", ["lists", "mappings", "pandas"])
def test_weird_value_in_a_batch(
    detector: StreamingDetector, form: str, value: Any, id_: str
) -> None:
    rows = [list(row) for row in X[:5].tolist()]
    rows[3][1] = value
    batch: Any = rows
    if form != "lists":
        batch = [dict(zip(NAMES, row, strict=True)) for row in rows]
    if form == "pandas":
        batch = pd.DataFrame(batch, dtype=object)
    error = refused(detector, lambda: detector.process_many(batch))
    assert error.row == 3
    assert error.column == 1
    if form != "pandas":
        assert error.id == id_


def with_names(*names: str) -> list[Any]:
    """A row by these names: in every form that can have them."""
    series = pd.Series(np.arange(float(len(names))), index=list(names))
    return [series] if len(set(names)) < len(names) else [series, dict(series)]


@pytest.mark.parametrize(
    ("names", "id_", "field"),
    [
        (("load", "heat"), "column_missing", "flow"),
        (("load", "heat", "flow", "wind"), "column_unknown", "wind"),
        (("load", "heat", "Flow"), "column_unknown", "Flow"),
        (("load", "heat", "heat"), "column_duplicate", "heat"),
        (("load", "heat", "flow", "load"), "column_duplicate", "load"),
    ],
)
def test_names_that_do_not_fit(
    detector: StreamingDetector, names: tuple[str, ...], id_: str, field: str
) -> None:
    for row in with_names(*names):
        error = refused(detector, lambda row=row: detector.process(row))
        assert (error.id, error.field, error.row) == (id_, field, 0)
        batch = [ROW, ROW, row]
        error = refused(detector, lambda batch=batch: detector.process_many(batch))
        assert (error.id, error.field, error.row) == (id_, field, 2)
    frame = pd.DataFrame([np.arange(float(len(names)))], columns=list(names))
    error = refused(detector, lambda: detector.process_many(frame))
    assert (error.id, error.field) == (id_, field)


def test_names_that_are_no_strings(detector: StreamingDetector) -> None:
    error = refused(detector, lambda: detector.process({"load": 1.0, "heat": 2.0, 3: 3.0}))
    assert (error.id, error.row) == ("column_unknown", 0)
    error = refused(detector, lambda: detector.process({"load": 1.0, "heat": 2.0, "\ud800": 3.0}))
    assert error.id == "column_unknown"
    frame = pd.DataFrame([[1.0, 2.0, 3.0]], columns=["load", "heat", 3])
    error = refused(detector, lambda: detector.process_many(frame))
    assert error.id == "column_unknown"


@pytest.mark.parametrize("width", [0, 1, 2, 4, 100])
def test_wrong_width(detector: StreamingDetector, width: int) -> None:
    for row in ([1.0] * width, (1.0,) * width, np.ones(width)):
        error = refused(detector, lambda row=row: detector.process(row))
        assert (error.id, error.row) == ("width_mismatch", 0)
        batch = [[1.0] * 3, row]
        error = refused(detector, lambda batch=batch: detector.process_many(batch))
        assert (error.id, error.row) == ("width_mismatch", 1)
    error = refused(detector, lambda: detector.process_many(np.ones((5, width))))
    assert (error.id, error.row) == ("width_mismatch", 0)


@pytest.mark.parametrize(
    "row", [1.0, None, "row", b"row", {1.0, 2.0}, np.ones((1, 3)), np.float64(1.0), {}, object()]
)
def test_what_is_no_row(detector: StreamingDetector, row: Any) -> None:
    error = refused(detector, lambda: detector.process(row))
    assert (error.id, error.row) == ("width_mismatch", 0)


@pytest.mark.parametrize(
    "batch",
    [
        [],
        (),
        np.empty((0, 3)),
        pd.DataFrame(columns=NAMES, dtype=float),
        pl.DataFrame(schema=dict.fromkeys(NAMES, pl.Float64)),
        iter([]),
    ],
)
def test_empty_batch(detector: StreamingDetector, batch: Any) -> None:
    error = refused(detector, lambda: detector.process_many(batch))
    assert error.id == "batch_empty"


@pytest.mark.parametrize(
    "batch",
    [
        None,
        5,
        "rows",
        X[:, 0],
        X[None],
        [1.0, 2.0, 3.0],
        {"load": [1.0]},
        [ROW, [1.0, 2.0, 3.0]],
        [[1.0, 2.0, 3.0], ROW],
        np.array([["a", "b", "c"]]),
        np.array([["2026-01-01"] * 3], dtype="datetime64[D]"),
        pl.DataFrame({name: ["a"] for name in NAMES}),
    ],
)
def test_what_is_no_batch(detector: StreamingDetector, batch: Any) -> None:
    refused(detector, lambda: detector.process_many(batch))


def test_timestamps_that_do_not_fit(detector: StreamingDetector) -> None:
    row = [1.0, 2.0, 3.0]
    for time in (float("nan"), float("inf"), np.datetime64("NaT"), "noon", [], object()):
        error = refused(detector, lambda time=time: detector.process(row, time))
        assert error.field == "timestamp"
    for times in ([1e9], [1e9] * 3, [[1e9, 1e9]], []):
        error = refused(detector, lambda times=times: detector.process_many([row] * 2, times))
        assert error.field == "timestamps"
    for times in ([1e9, float("nan")], [1e9, 1e9 - 1], [1e9, "noon"]):
        error = refused(detector, lambda times=times: detector.process_many([row] * 2, times))
        assert error.field == "timestamp"
    if detector.stats().total_processed:
        error = refused(detector, lambda: detector.process(row, 3.0))
        assert (error.id, error.row) == ("timestamp_out_of_order", 0)


def test_scoring_and_explaining_refuse_the_same() -> None:
    detector = detector_after(100)
    for method in (detector.score, detector.explain):
        for row in ([1.0], [1.0, 2.0, np.nan], {"load": 1.0}, ROW | {"wind": 1.0}, None):
            refused(detector, lambda method=method, row=row: method(row))


def test_a_refused_first_row_names_no_columns() -> None:
    for call in (
        lambda d: d.process({"a": 1.0, "b": float("nan")}),
        lambda d: d.process([]),
        lambda d: d.process({}),
        lambda d: d.process(pd.Series([1.0, 2.0], index=["a", "a"])),
        lambda d: d.process([1.0, float("nan")]),
        lambda d: d.process_many([{"a": 1.0}, {"a": float("nan")}]),
        lambda d: d.process_many([{"a": 1.0}, {"b": 1.0}]),
        lambda d: d.process_many(pd.DataFrame([[1.0, 2.0]], columns=["a", "a"])),
        lambda d: d.process_many(pd.DataFrame({"a": []}, dtype=float)),
        lambda d: d.process_many(np.empty((3, 0))),
        lambda d: d.process_many([[1.0, 2.0]], [float("nan")]),
    ):
        detector = StreamingDetector()
        refused(detector, lambda call=call, detector=detector: call(detector))
        assert detector.columns is None
        detector.process({"x": 1.0})
        assert detector.columns == ("x",)
    detector = StreamingDetector(n_features=3)
    refused(detector, lambda: detector.process({"a": 1.0, "b": 2.0}))
    refused(detector, lambda: detector.process_many([{"a": 1.0, "b": 2.0}]))


def test_a_value_whose_conversion_fails_or_interferes() -> None:
    detector = detector_after(100)
    row: list[Any] = [1.0, 2.0, 3.0]

    class Raises:
        def __float__(self) -> float:
            raise KeyError("mine")

    class Shrinks:
        def __float__(self) -> float:
            row.clear()
            return 1.0

    class Processes:
        def __float__(self) -> float:
            detector.process([1.0, 2.0, 3.0])
            return 1.0

    before = detector.snapshot()
    with pytest.raises(KeyError, match="mine"):
        detector.process([1.0, 2.0, Raises()])
    assert detector.snapshot() == before
    row[0] = Shrinks()
    refused(detector, lambda: detector.process(row))
    total = detector.stats().total_processed
    detector.process([1.0, 2.0, Processes()])
    assert detector.stats().total_processed == total + 2


PARAMETERS: list[tuple[dict[str, Any], str, str]] = [
    ({"backend": "isolation"}, "backend", "backend_unknown"),
    ({"backend": 3}, "backend", "parameter_type"),
    ({"backend_params": {"n_trees": 3}}, "backend_params.n_trees", "parameter_unknown"),
    ({"backend_params": [1]}, "backend_params", "parameter_type"),
    ({"backend_params": {1: 2}}, "backend_params", "parameter_type"),
    ({"backend_params": {"variant": "x"}}, "backend_params.variant", "parameter_out_of_range"),
    ({"backend": "hbos", "backend_params": {"n_bins": 1}}, "n_bins", "parameter_out_of_range"),
    (
        {"backend": "hbos", "backend_params": {"n_bins": "x"}},
        "backend_params.n_bins",
        "parameter_type",
    ),
    ({"backend": "hbos", "backend_params": {"alpha": 1.0}}, "alpha", "parameter_out_of_range"),
    (
        {"backend": "loda", "backend_params": {"n_random_cuts": 0}},
        "n_random_cuts",
        "parameter_out_of_range",
    ),
    ({"columns": ["a", "a"]}, "columns", "parameter_out_of_range"),
    ({"columns": ["a", 2]}, "columns[1]", "parameter_type"),
    ({"columns": 5}, "columns", "parameter_type"),
    ({"columns": ["a"], "n_features": 2}, "columns", "parameter_out_of_range"),
    ({"n_features": 0}, "n_features", "parameter_out_of_range"),
    ({"n_features": -1}, "n_features", "parameter_out_of_range"),
    ({"min_samples": 1}, "min_samples", "parameter_out_of_range"),
    ({"min_samples": -5}, "min_samples", "parameter_out_of_range"),
    ({"min_samples": 50.5}, "min_samples", "parameter_type"),
    ({"min_samples": "50"}, "min_samples", "parameter_type"),
    ({"min_samples": 2**70}, "min_samples", "parameter_out_of_range"),
    ({"retrain_interval": 0}, "retrain_interval", "parameter_out_of_range"),
    ({"window_size": 49}, "window_size", "parameter_out_of_range"),
    ({"window_size": 2**62}, "window_size", "parameter_out_of_range"),
    ({"contamination": 0.0}, "contamination", "parameter_out_of_range"),
    ({"contamination": 0.6}, "contamination", "parameter_out_of_range"),
    ({"contamination": float("nan")}, "contamination", "parameter_out_of_range"),
    ({"contamination": "auto"}, "contamination", "parameter_type"),
    ({"threshold": float("nan")}, "threshold", "parameter_out_of_range"),
    ({"threshold": float("inf")}, "threshold", "parameter_out_of_range"),
    ({"threshold": object()}, "threshold", "parameter_type"),
    ({"normalization": "minmax"}, "normalization", "parameter_out_of_range"),
    ({"normalization": 1}, "normalization", "parameter_type"),
    ({"rolling_windows": [0]}, "rolling_windows", "parameter_out_of_range"),
    ({"rolling_windows": [-1]}, "rolling_windows[0]", "parameter_out_of_range"),
    ({"rolling_windows": [5, 5]}, "rolling_windows", "parameter_out_of_range"),
    ({"rolling_windows": 5}, "rolling_windows", "parameter_type"),
    ({"rolling_windows": ["5"]}, "rolling_windows[0]", "parameter_type"),
    ({"lag_periods": [0]}, "lag_periods", "parameter_out_of_range"),
    ({"lag_periods": "12"}, "lag_periods", "parameter_type"),
    ({"shingle": 0}, "shingle", "parameter_out_of_range"),
    ({"shingle": 50}, "shingle", "parameter_out_of_range"),
    ({"scaler": "log"}, "scaler", "parameter_out_of_range"),
    ({"retrain": "never"}, "retrain", "parameter_out_of_range"),
    ({"seed": -1}, "seed", "parameter_out_of_range"),
    ({"seed": 1.5}, "seed", "parameter_type"),
    ({"out_of_order": "sort"}, "out_of_order", "parameter_out_of_range"),
]


@pytest.mark.parametrize(("parameters", "field", "id_"), PARAMETERS)
def test_parameters_out_of_range(parameters: dict[str, Any], field: str, id_: str) -> None:
    for make in (StreamingDetector, freshet.DetectorPool):
        with pytest.raises(freshet.ConfigurationError) as caught:
            make(**parameters)
        error = caught.value
        assert (error.field, error.id) == (field, id_)
        assert error.expected
        assert field in str(error)
        assert isinstance(error, ValueError)


def test_unknown_arguments() -> None:
    with pytest.raises(TypeError):
        StreamingDetector(min_sample=5)  # type: ignore[call-arg]
    with pytest.raises(freshet.ConfigurationError) as caught:
        freshet.DetectorPool(min_sample=5)
    assert (caught.value.field, caught.value.id) == ("min_sample", "parameter_unknown")


def test_errors_are_what_python_expects() -> None:
    assert issubclass(freshet.NotReadyError, RuntimeError)
    assert issubclass(freshet.FitError, RuntimeError)
    assert issubclass(freshet.SnapshotError, ValueError)
    assert issubclass(freshet.UnknownStreamError, KeyError)
    with pytest.raises(freshet.UnknownStreamError) as caught:
        freshet.DetectorPool().stats("pump")
    assert str(caught.value) == 'there is no stream "pump"'
    assert (caught.value.id, caught.value.field) == ("stream_unknown", "stream_id")


def test_numbers_beyond_doubles_are_refused_as_timestamps():
    with pytest.raises(freshet.DataError, match="too large") as caught:
        StreamingDetector().process({"v": 1.0}, 10**400)
    assert caught.value.id == "timestamp_invalid"


@pytest.mark.parametrize("layers", [64, 1.5])
def test_layers_that_are_no_sequence_are_refused(layers):
    with pytest.raises(freshet.ConfigurationError, match="hidden_neuron_list"):
        freshet.AutoEncoder(hidden_neuron_list=layers).fit(np.eye(20))
