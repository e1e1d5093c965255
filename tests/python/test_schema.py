"""Columns that are no numbers: in streams, and in tables."""

from __future__ import annotations

import copy
import json
import pickle
import random
from collections.abc import Callable, Mapping
from typing import Any

import freshet
import numpy as np
import pandas as pd
import polars as pl
import pytest
from freshet import DetectorPool, Encoder, StreamingDetector
from freshet_testing import BACKENDS, same

SCHEMA: dict[str, Any] = {
    "color": {"encoding": "onehot", "max_categories": 3},
    "city": "frequency",
    "user": "hash",
    "kind": "label",
    "on": "binary",
}
COLUMNS = ["size", "color", "city", "user", "kind", "on"]
FEATURES = ["size", "color_red", "color_blue", "color_green", "color_other", "city", "user", "kind"]
SETTINGS: dict[str, Any] = {
    "backend": "hbos",
    "schema": SCHEMA,
    "min_samples": 30,
    "retrain_interval": 40,
    "window_size": 80,
    "retrain": "inline",
}


def random_rows(n_rows: int, seed: int = 0) -> list[dict[str, Any]]:
    """Rows with categories of every type, some common and some rare."""
    rng = random.Random(seed)
    return [
        {
            "size": rng.choice([rng.gauss(0.0, 1.0), rng.randrange(5)]),
            "color": rng.choice(["red", "blue", "green", "Grün", ""]),
            "city": rng.choice(["Wien", "Oslo", 1, 1.0, "1", 2.5, True, "true", rng.random()]),
            "user": rng.choice([2**60 + rng.randrange(9), f"user-{rng.randrange(99)}", 0.1]),
            "kind": rng.choice([f"kind {rng.randrange(20)}", False, rng.randrange(3)]),
            "on": rng.choice(["YES", "no", True, False, 1, 0.0, "T", "off"]),
        }
        for _ in range(n_rows)
    ]


# ---- a plain reference ----


def category(cell: Any) -> str:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else repr(cell)
    return str(cell)


def stable_hash(text: str) -> float:
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return float((value ^ value >> 32) % 2**32)


def encoded_cell(encoding: Any, cell: Any, before: list[str]) -> list[float]:
    """What a cell of a stream becomes, after cells of the categories `before`."""
    text = category(cell)
    seen = list(dict.fromkeys(before))
    if encoding == "numeric":
        return [float(cell)]
    if encoding == "hash":
        return [stable_hash(text)]
    if encoding == "label":
        return [float(seen.index(text) if text in seen else len(seen))]
    if encoding == "binary":
        return [float(text.lower() in ("yes", "true", "1", "t"))]
    if encoding == "frequency":
        return [(before.count(text) + 1) / (len(before) + 1)]
    slots = [0.0] * (encoding["max_categories"] + 1)
    place = seen.index(text) if text in seen else len(seen)
    slots[min(place, len(slots) - 1)] = 1.0
    return slots


def encoded(rows: list[dict[str, Any]], schema: Mapping[str, Any] = SCHEMA) -> np.ndarray:
    """The rows of a stream as numbers."""
    matrix: list[list[float]] = [[] for _ in rows]
    for column in COLUMNS:
        before: list[str] = []
        for row, numbers in zip(rows, matrix, strict=True):
            numbers += encoded_cell(schema.get(column, "numeric"), row[column], before)
            before.append(category(row[column]))
    return np.array(matrix)


# ---- streams ----


@pytest.mark.parametrize(("backend", "params"), BACKENDS)
@pytest.mark.parametrize(
    "features", [{}, {"rolling_windows": [4], "lag_periods": [1, 3], "shingle": 2}]
)
def test_a_stream_is_scored_as_its_encoded_rows(
    backend: str, params: dict[str, Any], features: dict[str, Any]
) -> None:
    rows = random_rows(200)
    more: dict[str, Any] = {"backend_params": params, "normalization": "zscore", **features}
    settings = SETTINGS | {"backend": backend} | more
    plain = StreamingDetector(**(settings | {"schema": None})).process_many(encoded(rows))
    at_once = StreamingDetector(**settings).process_many(rows)
    assert same(at_once, plain)
    detector = StreamingDetector(**settings, columns=COLUMNS)
    rng = random.Random(1)
    for row, expected in zip(rows, plain, strict=True):
        if rng.random() < 0.5:
            row = dict(rng.sample(list(row.items()), len(row)))  # by name, in any order
        result = detector.process(row if rng.random() < 0.5 else [row[c] for c in COLUMNS])
        assert result == expected
    assert plain.scored[60:].all()


@pytest.mark.parametrize("seed", range(8))
def test_a_stream_can_be_cut_and_batched_anywhere(seed: int) -> None:
    rng = random.Random(seed)
    rows = random_rows(150, seed)
    expected = StreamingDetector(**SETTINGS).process_many(rows)
    detector = StreamingDetector(**SETTINGS)
    i = 0
    while i < len(rows):
        n = rng.randrange(1, 40)
        batch = rows[i : i + n]
        if rng.random() < 0.3:
            detector = pickle.loads(pickle.dumps(detector))
        elif rng.random() < 0.3:
            detector = StreamingDetector.restore(detector.snapshot())
        if rng.random() < 0.5:
            assert same(detector.process_many(batch), expected[i : i + n])
        else:
            assert [detector.process(row) for row in batch] == list(expected[i : i + n])
        i += n
    twin = copy.copy(detector)
    assert twin.snapshot() == detector.snapshot()
    assert twin.process(rows[0]) == detector.process(rows[0])


def test_scoring_and_explaining_keep_nothing() -> None:
    rows = random_rows(150, 3)
    detector = StreamingDetector(**SETTINGS, rolling_windows=[3])
    detector.process_many(rows[:100])
    before = detector.snapshot()
    for row in [*rows[100:], rows[0] | {"color": "new", "city": "new", "kind": "new"}]:
        score = detector.score(row)
        explanation = detector.explain(dict(reversed(row.items())))
        detector.check([row])
        assert detector.snapshot() == before
        twin = StreamingDetector.restore(before)
        assert twin.process(row).raw_score == score.raw_score
        assert list(explanation) == COLUMNS
        assert sum(explanation.values()) == pytest.approx(explanation.raw_score)
        assert explanation.raw_score == score.raw_score


def test_features_are_named_after_categories_as_they_appear() -> None:
    detector = StreamingDetector(**SETTINGS, columns=COLUMNS, lag_periods=[1])
    assert detector.columns == tuple(COLUMNS)
    assert detector.feature_names is not None
    assert detector.feature_names[:5] == (
        "size",
        "color_slot_0",
        "color_slot_1",
        "color_slot_2",
        "color_other",
    )
    rows = random_rows(40)
    for row, color in zip(rows, ["red", "blue", "red", "green", "pink"] * 8, strict=True):
        detector.process(row | {"color": color})
        if color == "red":
            by_feature_names = detector.feature_names
    assert detector.feature_names[: len(FEATURES)] == tuple(FEATURES)
    assert "color_green_lag_1" in detector.feature_names
    assert by_feature_names == detector.feature_names
    first = detector.explain(rows[0])
    assert list(first.by_feature) == list(detector.feature_names)
    assert first["color"] == pytest.approx(
        sum(value for name, value in first.by_feature.items() if name.startswith("color_"))
    )


def test_names_of_new_categories_show_in_explanations() -> None:
    detector = StreamingDetector(**SETTINGS)
    for row in random_rows(40):
        detector.process(row | {"color": "red"})
    assert "color_slot_1" in detector.explain(row).by_feature
    detector.process(row | {"color": "blue"})
    assert "color_blue" in detector.explain(row).by_feature


def test_a_reset_stream_forgets_its_categories() -> None:
    rows = random_rows(100)
    detector = StreamingDetector(**SETTINGS)
    first = detector.process_many(rows)
    detector.reset()
    assert detector.columns == tuple(COLUMNS)
    assert same(detector.process_many(rows), first)


def test_settings_make_an_equal_detector() -> None:
    detector = StreamingDetector(**SETTINGS)
    assert detector.settings["schema"] == SCHEMA
    assert StreamingDetector(**detector.settings).settings == detector.settings
    rows = random_rows(60)
    detector.process_many(rows)
    assert detector.settings["schema"] == SCHEMA
    assert same(StreamingDetector(**detector.settings).process_many(rows), detector_results(rows))
    assert StreamingDetector().settings["schema"] is None
    long = StreamingDetector(schema={"a": {"encoding": "label"}, "b": {"encoding": "onehot"}})
    assert long.settings["schema"] == {"a": "label", "b": "onehot"}


def detector_results(rows: Any) -> Any:
    return StreamingDetector(**SETTINGS).process_many(rows)


@pytest.mark.parametrize(
    ("schema", "field"),
    [
        ({"a": "one-hot"}, "schema.a"),
        ({"a": 3}, "schema.a"),
        ({"a": None}, "schema.a"),
        ({"a": {}}, "schema.a"),
        ({"a": {"encoding": "magic"}}, "schema.a"),
        ({"a": {"encoding": "onehot", "max": 3}}, "schema.a.max"),
        ({"a": {"encoding": "onehot", "max_categories": 0}}, "schema.a.max_categories"),
        ({"a": {"encoding": "onehot", "max_categories": 1025}}, "schema.a.max_categories"),
        ({"a": {"encoding": "onehot", "max_categories": "3"}}, "schema.a.max_categories"),
        ({"a": {"encoding": "label", "max_categories": 3}}, "schema.a.max_categories"),
        (["a"], "schema"),
        ("onehot", "schema"),
    ],
)
def test_a_wrong_schema_is_named(schema: Any, field: str) -> None:
    makers: list[Callable[[], object]] = [
        lambda: StreamingDetector(schema=schema),
        lambda: DetectorPool(schema=schema),
        lambda: DetectorPool().add("stream", {"schema": schema}),
    ]
    if isinstance(schema, dict):
        makers.append(lambda: Encoder(schema))
    for make in makers:
        with pytest.raises(freshet.ConfigurationError) as caught:
            make()
        assert caught.value.field == field


def test_a_schema_names_columns_of_the_settings() -> None:
    for settings in ({"columns": ["a", "b"]}, {"n_features": 2}):
        with pytest.raises(freshet.ConfigurationError) as caught:
            StreamingDetector(schema={"c": "label"}, **settings)  # type: ignore[arg-type]
        assert caught.value.field == "schema.c"
    detector = StreamingDetector(schema={"f1": "label"}, n_features=2)
    detector.process([1.0, "x"])


def test_a_schema_names_columns_of_the_first_row() -> None:
    detector = StreamingDetector(schema={"f1": "label", "f2": "onehot"})
    before = detector.snapshot()
    attempts: list[Callable[[], object]] = [
        lambda: detector.process([1.0, "x"]),
        lambda: detector.process_many([[1.0, "x"]]),
        lambda: detector.check([[1.0, "x"]]),
        lambda: detector.process_many(np.ones((3, 2))),
        lambda: detector.process({"f1": 1.0, "f0": "x"}),
        lambda: detector.process_many([{"f1": 1.0, "f0": "x"}]),
    ]
    for attempt in attempts:
        with pytest.raises(freshet.DataError) as caught:
            attempt()
        assert (caught.value.id, caught.value.field) == ("column_missing", "f2")
        assert detector.snapshot() == before
    detector.process([1.0, "x", "y"])
    assert detector.columns == ("f0", "f1", "f2")
    detector.process({"f2": "z", "f1": 3, "f0": 2.0})


BAD_CELLS = [
    ("size", "large", "value_non_finite", "a finite number"),
    ("size", True, "value_non_finite", "a finite number"),
    ("size", float("nan"), "value_non_finite", "a finite number"),
    ("size", 1e101, "value_out_of_range", "a magnitude of at most 1e100"),
    ("size", 10**400, "value_out_of_range", "a magnitude of at most 1e100"),
    ("size", None, "value_non_finite", "a finite number"),
    ("on", "maybe", "value_out_of_range", "yes, true"),
    ("on", 2, "value_out_of_range", "yes, true"),
    ("on", float("nan"), "value_non_finite", "a finite number"),
    ("on", "", "value_out_of_range", "yes, true"),
    ("color", None, "value_non_finite", "a finite number"),
    ("color", float("inf"), "value_non_finite", "a finite number"),
    ("user", b"bytes", "value_non_finite", "a finite number"),
    ("kind", ["list"], "value_non_finite", "a finite number"),
    ("city", "\ud800", "value_non_finite", "a number or text"),
]


@pytest.mark.parametrize(("column", "cell", "id_", "expected"), BAD_CELLS)
@pytest.mark.parametrize("n_before", [0, 10, 50])
def test_a_refused_row_leaves_no_trace(
    n_before: int, column: str, cell: Any, id_: str, expected: str
) -> None:
    rows = random_rows(n_before + 5, 2)
    new = {"color": "new", "city": "new", "kind": "new", "user": "new"}
    bad = {**rows[-1], **new, column: cell}
    detector = StreamingDetector(**SETTINGS, columns=COLUMNS)
    for row in rows[:n_before]:
        detector.process(row)
    before = detector.snapshot()
    batch = [rows[-2] | new, rows[-3] | new, bad, rows[-4]]
    attempts: list[tuple[int, Callable[[], object]]] = [
        (0, lambda: detector.process(bad)),
        (0, lambda: detector.process(tuple(bad[name] for name in COLUMNS))),
        (2, lambda: detector.process_many(batch)),
        (2, lambda: detector.check(batch)),
        (2, lambda: detector.process_many([[row[name] for name in COLUMNS] for row in batch])),
    ]
    if n_before > 30:
        attempts += [(0, lambda: detector.score(bad)), (0, lambda: detector.explain(bad))]
    for row_index, attempt in attempts:
        with pytest.raises(freshet.DataError) as caught:
            attempt()
        error = caught.value
        assert detector.snapshot() == before
        assert (error.id, error.row) == (id_, row_index)
        assert error.column == COLUMNS.index(column)
        assert error.field in (column, str(COLUMNS.index(column)))
        assert error.expected is not None
        assert error.expected.startswith(expected)


def test_a_late_row_is_not_learnt() -> None:
    rows = random_rows(60)
    late = rows[0] | {"color": "late", "city": "late", "kind": "late"}
    for batched in (False, True):
        strict = StreamingDetector(**SETTINGS)
        strict.process_many(rows, np.arange(60))
        before = strict.snapshot()
        with pytest.raises(freshet.DataError):
            strict.process_many([late], [5]) if batched else strict.process(late, 5)
        assert strict.snapshot() == before

        lenient = StreamingDetector(**SETTINGS, out_of_order="drop")
        twin = StreamingDetector(**SETTINGS, out_of_order="drop")
        lenient.process_many(rows, np.arange(60))
        twin.process_many(rows, np.arange(60))
        if batched:
            results = lenient.process_many([late, rows[1], late], [5, 70, 6])
            assert results.scored.tolist() == [False, True, False]
        else:
            assert lenient.process(late, 5).score is None
            lenient.process(rows[1], 70)
        twin.process(rows[1], 70)
        assert lenient.feature_names == twin.feature_names
        assert lenient.score(late).raw_score == twin.score(late).raw_score


def test_cells_of_every_type_are_the_category_that_their_text_says() -> None:
    large = 2**60
    cells = [large, large + 1, np.int64(large + 2), np.uint64(large + 3), large + 3]
    cells += [1, 1.0, "1", np.int8(1), np.float32(1.0), True, np.True_, "true", 0.5, "0.5"]
    expected = [0, 1, 2, 3, 3, 4, 4, 4, 4, 4, 5, 5, 5, 6, 6]
    rows = [[cell] for cell in cells]
    assert Encoder({"f0": "label"}).fit_transform(rows)[:, 0].tolist() == expected
    detector = StreamingDetector(**(SETTINGS | {"schema": {"f0": "label"}}))
    plain = StreamingDetector(**(SETTINGS | {"schema": None}))
    for row, label in zip(rows * 3, expected * 3, strict=True):
        assert detector.process(row) == plain.process([label])


TABLES: dict[str, Callable[[list[dict[str, Any]]], Any]] = {
    "mappings": lambda rows: rows,
    "lists": lambda rows: [list(row.values()) for row in rows],
    "tuples": lambda rows: tuple(tuple(row.values()) for row in rows),
    "object arrays": lambda rows: [np.array(list(row.values()), dtype=object) for row in rows],
    "object array": lambda rows: np.array([list(row.values()) for row in rows], dtype=object),
    "series": lambda rows: [pd.Series(row, dtype=object) for row in rows],
    "pandas": lambda rows: pd.DataFrame(rows),
    "polars": lambda rows: pl.DataFrame(rows),
}


def table_rows(n_rows: int) -> list[dict[str, Any]]:
    """Rows whose columns have one type each, as those of a DataFrame."""
    rng = random.Random(5)
    return [
        {
            "size": rng.gauss(0.0, 1.0),
            "color": rng.choice(["red", "blue", "green", "pink"]),
            "city": rng.choice(["Wien", "Oslo"]),
            "user": rng.randrange(2**62),
            "kind": rng.randrange(4),
            "on": rng.random() < 0.5,
        }
        for _ in range(n_rows)
    ]


@pytest.mark.parametrize("form", TABLES)
def test_rows_come_in_many_forms(form: str) -> None:
    rows = table_rows(100)
    expected = StreamingDetector(**SETTINGS, columns=COLUMNS).process_many(rows)
    plain = StreamingDetector(**(SETTINGS | {"schema": None}))
    assert same(plain.process_many(encoded(rows)), expected)
    detector = StreamingDetector(**SETTINGS, columns=COLUMNS)
    assert same(detector.process_many(TABLES[form](rows)), expected)
    matrix = Encoder(SCHEMA).fit_transform(rows)
    encoder = Encoder({key: SCHEMA[key] for key in SCHEMA})
    if form in ("mappings", "series", "pandas", "polars"):
        assert np.array_equal(encoder.fit_transform(TABLES[form](rows)), matrix)
        assert encoder.columns == tuple(COLUMNS)


def test_arrays_of_numbers_are_encoded_too() -> None:
    values = np.array([[1.0, 3.0], [2.0, 3.0], [2.5, 4.0]] * 40)
    settings = SETTINGS | {"schema": {"f1": "label"}}
    plain = StreamingDetector(**(settings | {"schema": None}))
    detector = StreamingDetector(**settings)
    labels = np.column_stack([values[:, 0], values[:, 1] - 3.0])
    assert same(detector.process_many(values), plain.process_many(labels))
    assert detector.process(values[0]) == plain.process(labels[0])
    assert detector.score(values[0]).score == plain.score(labels[0]).score
    with pytest.raises(freshet.DataError) as caught:
        StreamingDetector(schema={"f0": "binary"}).process(np.array([2.0]))
    assert caught.value.expected is not None
    assert caught.value.expected.startswith("yes")


@pytest.mark.parametrize("form", TABLES)
def test_without_a_schema_texts_are_refused_and_flags_count(form: str) -> None:
    detector = StreamingDetector()
    rows: list[dict[str, Any]] = [{"a": 1.0, "b": True}, {"a": 2.0, "b": False}]
    detector.process_many(TABLES[form](rows))
    before = detector.snapshot()
    with pytest.raises(freshet.DataError) as caught:
        detector.process_many(TABLES[form]([rows[0], rows[1] | {"b": "x"}]))
    row = 0 if form == "polars" else 1  # there all of the column are texts then
    assert (caught.value.id, caught.value.row, caught.value.column) == ("value_non_finite", row, 1)
    assert detector.snapshot() == before


# ---- pools and models ----


def test_streams_of_a_pool_have_categories_of_their_own() -> None:
    pool = DetectorPool(**SETTINGS)
    pool.add("plain", {key: SETTINGS[key] for key in SETTINGS if key != "schema"})
    first, second = random_rows(120, 1), random_rows(120, 2)
    expected = [detector_results(rows) for rows in (first, second)]
    for i in range(60):
        assert pool.process("first", first[i]) == expected[0][i]
        assert pool.process("second", second[i]) == expected[1][i]
    with pytest.raises(freshet.DataError):
        pool.check("first", [first[60], first[61] | {"on": "perhaps"}])
    pool.check("first", first[60:])
    assert same(pool.process_many("first", first[60:]), expected[0][60:])
    pool.restore("third", pool.snapshot("second"))
    assert same(pool.process_many("third", second[60:]), expected[1][60:])
    assert list(pool.explain("first", first[0])) == COLUMNS
    assert pool.settings("first")["schema"] == SCHEMA
    assert pool.settings("plain")["schema"] is None
    assert pool.columns("first") == tuple(COLUMNS)
    with pytest.raises(freshet.DataError):
        pool.process("plain", first[0])
    assert pool.stats("plain").total_processed == 0
    with pytest.raises(freshet.DataError):
        pool.process("fourth", first[0] | {"size": "large"})
    assert "fourth" not in pool


def test_a_hosted_training_of_a_stream_with_a_schema() -> None:
    rows = random_rows(200)
    detector = StreamingDetector(**(SETTINGS | {"retrain": "hosted"}))
    inline = StreamingDetector(**SETTINGS)
    for row in rows:
        assert detector.process(row).score == inline.process(row).score
        training = detector.training()
        if training is not None:
            model = freshet.TrainedModel.from_bytes(training.run().to_bytes())
            assert model.settings["schema"] == SCHEMA
            assert detector.publish(model)
    assert detector.stats().model_version > 2


def test_a_model_goes_with_its_schema() -> None:
    def model_of(schema: Any) -> freshet.TrainedModel:
        detector = StreamingDetector(
            "hbos", schema=schema, min_samples=10, retrain="hosted", retrain_interval=1
        )
        for i in range(12):
            detector.process({"a": i % 3, "b": i % 2})
        training = detector.training()
        assert training is not None
        return training.run()

    pool = DetectorPool()
    stateless = model_of({"a": "hash", "b": "binary"})
    pool.add("hashed", {}, model=stateless)
    assert pool.process("hashed", {"a": "anything", "b": "yes"}).score is not None
    assert pool.settings("hashed")["schema"] == {"a": "hash", "b": "binary"}
    with pytest.raises(freshet.ConfigurationError) as caught:
        pool.add("other", {"schema": {"a": "hash"}}, model=stateless)
    assert caught.value.field == "schema"
    for learnt in ("label", "onehot", "frequency"):
        with pytest.raises(freshet.ConfigurationError) as caught:
            pool.add("learnt", {}, model=model_of({"a": learnt}))
        assert caught.value.field == "schema"
    other = StreamingDetector("hbos", columns=["a", "b"])
    with pytest.raises(freshet.ConfigurationError) as caught:
        other.publish(stateless)
    assert caught.value.field == "schema"


def test_windows_of_encoded_rows() -> None:
    detector = StreamingDetector(
        "lstm_autoencoder",
        backend_params={"window": 4, "hidden_size": 4, "latent_size": 2, "epochs": 1},
        schema=SCHEMA,
        min_samples=20,
        retrain="manual",
    )
    rows = random_rows(40)
    detector.process_many(rows[:30])
    detector.retrain()
    results = [detector.process(row) for row in rows[30:]]
    assert all(result.score is not None for result in results)
    assert set(detector.explain(rows[0])) == set(COLUMNS)


# ---- tables ----


def fitted_cell(encoding: Any, cell: Any, known: list[str]) -> list[float]:
    """What a cell becomes after a fit to cells of the categories `known`."""
    text = category(cell)
    seen = list(dict.fromkeys(known))
    if encoding == "frequency":
        return [known.count(text) / len(known)]
    if isinstance(encoding, dict) or encoding == "onehot":
        limit = encoding["max_categories"] if isinstance(encoding, dict) else len(seen)
        return [float(one == text) for one in seen[:limit]]
    return encoded_cell(encoding, cell, known)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("onehot", ["onehot", SCHEMA["color"]])
def test_an_encoder_agrees_with_its_description(seed: int, onehot: Any) -> None:
    schema = SCHEMA | {"color": onehot}
    known, others = random_rows(80, seed), random_rows(80, seed + 100)
    encoder = Encoder(schema)
    assert encoder.columns is None
    assert encoder.feature_names is None
    assert encoder.fit(known) is encoder
    expected: list[list[float]] = [[] for _ in others]
    for column in COLUMNS:
        before = [category(row[column]) for row in known]
        for row, numbers in zip(others, expected, strict=True):
            numbers += fitted_cell(schema.get(column, "numeric"), row[column], before)
    matrix = encoder.transform([dict(reversed(row.items())) for row in others])
    assert matrix.dtype == np.float64
    assert np.array_equal(matrix, expected)
    assert np.array_equal(encoder.transform([list(row.values()) for row in others]), expected)
    assert encoder.feature_names is not None
    assert len(encoder.feature_names) == matrix.shape[1]
    for twin in (
        Encoder.from_dict(json.loads(json.dumps(encoder.to_dict()))),
        pickle.loads(pickle.dumps(encoder)),
        copy.deepcopy(encoder),
    ):
        assert twin.to_dict() == encoder.to_dict()
        assert np.array_equal(twin.transform(others), expected)
    assert encoder.schema == schema


def test_an_encoder_names_its_features() -> None:
    rows = [["red", 1.0], ["blue", 2.0], ["red", 3.0]]
    encoder = Encoder({"f0": "onehot"}).fit(rows)
    assert encoder.columns == ("f0", "f1")
    assert encoder.feature_names == ("f0_red", "f0_blue", "f1")
    assert encoder.transform([["green", 0]]).tolist() == [[0.0, 0.0, 0.0]]
    assert encoder.fit([["x", 1]]).feature_names == ("f0_x", "f1")
    assert "fitted to 1 rows" in repr(encoder)
    assert Encoder({}).fit_transform(np.eye(2)).tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_an_encoder_that_is_not_fitted() -> None:
    encoder = pickle.loads(pickle.dumps(Encoder(SCHEMA)))
    assert encoder.schema == SCHEMA
    for use in (lambda: encoder.transform([[1.0]]), encoder.to_dict):
        with pytest.raises(freshet.NotReadyError):
            use()


@pytest.mark.parametrize(("column", "cell", "id_", "expected"), BAD_CELLS)
def test_an_encoder_names_row_and_column(column: str, cell: Any, id_: str, expected: str) -> None:
    rows = random_rows(10)
    encoder = Encoder(SCHEMA).fit(rows)
    before = encoder.to_dict()
    rows[7][column] = cell
    for use in (encoder.fit, encoder.transform, encoder.fit_transform):
        with pytest.raises(freshet.DataError) as caught:
            use(rows)
        error = caught.value
        assert (error.id, error.row, error.column) == (id_, 7, COLUMNS.index(column))
        assert error.field == column
        assert error.expected is not None
        assert error.expected.startswith(expected)
        assert encoder.to_dict() == before


@pytest.mark.parametrize(
    ("rows", "id_", "field"),
    [
        ([{"a": 1}], "column_missing", "b"),
        ([{"a": 1, "b": 1, "c": 1}], "column_unknown", "c"),
        ([[1.0]], "width_mismatch", "row"),
        (pd.DataFrame({"a": [1], "c": ["x"]}), "column_unknown", "c"),
    ],
)
def test_an_encoder_wants_the_columns_it_was_fitted_to(rows: Any, id_: str, field: str) -> None:
    encoder = Encoder({"b": "label"}).fit([{"a": 1, "b": "x"}])
    with pytest.raises(freshet.DataError) as caught:
        encoder.transform(rows)
    assert (caught.value.id, caught.value.field) == (id_, field)


def test_an_encoder_is_not_fitted_to_what_it_cannot_be() -> None:
    cases: list[tuple[Any, str, str | None]] = [
        ([], "batch_empty", "rows"),
        ([{"a": 1.0}], "column_missing", "b"),
        ([{"b": i} for i in range(1025)], "value_out_of_range", "b"),
    ]
    for rows, id_, field in cases:
        with pytest.raises(freshet.DataError) as caught:
            Encoder({"b": "onehot"}).fit(rows)
        assert (caught.value.id, caught.value.field) == (id_, field)
    assert Encoder({"b": "onehot"}).fit([{"b": i} for i in range(1024)]).feature_names


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"format": 2}, "format"),
        ({"format": None}, "format"),
        ({"more": 1}, "more"),
        ({"n_rows": 2}, "counts"),
        ({"is_fitted": False}, "is_fitted"),
        ({"is_fitted": 1}, "is_fitted"),
        ({"categories": {"a": ["x", "x"], "b": ["u"]}}, "categories"),
        ({"categories": {"c": ["x"]}}, "categories.c"),
        ({"counts": {"b": [1, "2"]}}, "counts.b[1]"),
        ({"columns": ["a"]}, "categories.b"),
    ],
)
def test_a_damaged_state_is_refused(change: dict[str, Any], field: str) -> None:
    rows = [{"a": "x", "b": "u"}, {"a": "y", "b": "u"}, {"a": "x", "b": "u"}]
    state = Encoder({"a": "label", "b": "frequency"}).fit(rows).to_dict()
    with pytest.raises(freshet.ConfigurationError) as caught:
        Encoder.from_dict(state | change)
    assert caught.value.field == field
