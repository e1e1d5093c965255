"""Buffers over HTTP: their features are Polars', and errors change nothing."""

from __future__ import annotations

from urllib.parse import quote

import numpy as np
import pytest
from buffers_testing import (
    NAMES,
    SERIES,
    URL,
    ask,
    assert_like,
    buffers_of,
    get,
    named,
    post,
    refused,
    vars_of,
    with_polars,
)
from freshet.errors import DataError
from freshet.server.buffers import Buffers, FeatureSelection
from freshet.server.buffers.buffer import Table
from freshet.server.keys import KeyFile
from freshet.server.problems import Problem
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st


class Forgetful:
    """A store that keeps nothing."""

    def load(self):
        return []

    def create(self, buffer):
        pass

    def append(self, buffer, block):
        pass


# ---- features ----


def test_the_example_of_the_contract(tmp_path):
    async def question(client):
        await post(client, "buffers", buffer_id="b")
        for price in (100, 150, 120, 80, 200):
            await post(client, "append", buffer_id="b", data={"price": price})
        return await post(client, "features", buffer_id="b", rolling_windows=[5], lag_periods=[1])

    found = ask(tmp_path, question)
    assert found["columns"] == [
        "price",
        *(f"price_rolling_{name}_5" for name in ("mean", "std", "min", "max")),
        "price_lag_1",
    ]
    column = {name: [row[name] for row in found["data"]] for name in found["columns"]}
    assert column["price_rolling_mean_5"] == pytest.approx([100, 125, 123.3333, 112.5, 130])
    assert column["price_rolling_std_5"] == pytest.approx(
        [0, 35.3553, 25.1661, 29.8608, 46.9042], rel=1e-5
    )
    assert column["price_lag_1"] == [0, 100, 150, 120, 80]


@pytest.mark.parametrize("n_rows", [1, 3, 49, 50, 51, 120, 300])
def test_features_are_polars_of_the_rows_kept(n_rows, tmp_path):
    selection = FeatureSelection((3, 1, 20, 200), ("mean", "std", "min", "max"), (1, 7, 60))
    with buffers_of(tmp_path / "b.sqlite") as buffers:
        buffers.create("b", 50)
        for start in range(0, n_rows, 7):
            buffers.append("b", named(SERIES[start : min(start + 7, n_rows)]))
        kept = SERIES[max(0, n_rows - 50) : n_rows]
        frame = with_polars(kept, NAMES, selection.windows, selection.statistics, selection.lags)
        assert_like(buffers.table("b", None, selection), frame)
        for tail in (1, 2, 30, 1000):
            assert_like(buffers.table("b", tail, selection), frame.tail(tail))


@given(
    n_rows=st.integers(1, 60),
    window_size=st.integers(10, 40),
    windows=st.lists(st.integers(1, 70), unique=True, max_size=3),
    statistics=st.lists(st.sampled_from(["mean", "std", "min", "max"]), unique=True),
    lags=st.lists(st.integers(1, 70), unique=True, max_size=3),
    tail=st.one_of(st.none(), st.integers(1, 70)),
    cuts=st.lists(st.integers(1, 30), min_size=1, max_size=5),
)
@hypothesis_settings(max_examples=60, deadline=None)
def test_any_selection_of_any_rows(n_rows, window_size, windows, statistics, lags, tail, cuts):
    selection = FeatureSelection(windows, statistics, lags)
    buffers = Buffers(Forgetful(), max_buffers=1, max_columns=2, max_bytes=2**20)
    buffers.create("b", window_size)
    start = number = 0
    while start < n_rows:
        end = min(n_rows, start + cuts[number % len(cuts)])
        buffers.append("b", SERIES[start:end].tolist())
        start, number = end, number + 1
    table = buffers.table("b", tail, selection)
    kept = SERIES[max(0, n_rows - window_size) : n_rows]
    frame = with_polars(kept, ["f0", "f1"], windows, statistics, lags)
    assert_like(table, frame if tail is None else frame.tail(tail))


def test_long_windows_of_a_long_buffer(tmp_path, monkeypatch):
    monkeypatch.setattr("freshet.server.buffers.features._CELLS_AT_ONCE", 1_000)
    values = np.cumsum(np.random.default_rng(1).normal(size=(30_000, 1)), axis=0)
    selection = FeatureSelection((20_000,), ("mean", "std"), (10_000,))
    with buffers_of(tmp_path / "b.sqlite") as buffers:
        buffers.create("b", 25_000)
        buffers.append("b", values.tolist())
        frame = with_polars(values[5_000:], ["f0"], *vars_of(selection)).tail(3)
        assert_like(buffers.table("b", 3, selection), frame)


def test_rows_with_default_features(tmp_path):
    async def question(client):
        await post(client, "buffers", buffer_id="b")
        await post(client, "append", buffer_id="b", data=named(SERIES[:40]))
        plain = await get(client, "buffers/b/data", tail=2)
        features = await get(client, "buffers/b/data", tail=2, with_features=True)
        assert features == await post(client, "features", buffer_id="b", tail=2)
        return plain, features

    plain, features = ask(tmp_path, question)
    assert plain == {
        "object": "polars_data",
        "buffer_id": "b",
        "rows": 2,
        "columns": NAMES,
        "data": named(SERIES[38:40]),
    }
    assert (
        features["columns"]
        == with_polars(
            SERIES[:2], NAMES, (5, 10, 20), ("mean", "std", "min", "max"), (1, 2, 3)
        ).columns
    )


def test_lags_and_statistics_can_be_left_out(tmp_path):
    async def question(client):
        await post(client, "buffers", buffer_id="b")
        await post(client, "append", buffer_id="b", data=named(SERIES[:9]))
        stats = {"rolling_windows": [4], "include_rolling_stats": ["max", "mean"]}
        some = await post(client, "features", buffer_id="b", include_lags=False, **stats)
        none = await post(
            client, "features", buffer_id="b", include_lags=False, include_rolling_stats=[]
        )
        return some, none

    some, none = ask(tmp_path, question)
    assert some["columns"] == NAMES + [
        f"{name}_rolling_{statistic}_4" for name in NAMES for statistic in ("mean", "max")
    ]
    assert none["columns"] == NAMES
    assert none["data"] == named(SERIES[:9])


def test_columns_that_are_none_of_numbers_are_kept_without_features(tmp_path):
    rows = [
        {"sensor": "a", "value": 1, "is_open": True, "note": None},
        {"note": "ü", "is_open": None, "value": 2.5, "sensor": "b"},
        {"sensor": 7, "value": 3, "is_open": "?", "note": 1.5},
    ]

    async def fill(client):
        await post(client, "buffers", buffer_id="b", window_size=10)
        await post(client, "append", buffer_id="b", data=rows[0])
        await post(client, "append", buffer_id="b", data=rows[1:])
        return await look(client)

    async def look(client):
        info = await get(client, "buffers/b")
        return (
            info["columns"],
            info["numeric_columns"],
            await post(
                client, "features", buffer_id="b", rolling_windows=[2], lag_periods=[1], tail=2
            ),
        )

    columns, numeric, found = ask(tmp_path, fill)
    assert columns == ["sensor", "value", "is_open", "note"]
    assert numeric == ["value"]
    assert found["columns"][:4] == columns
    assert found["columns"][4:] == [
        *(f"value_rolling_{name}_2" for name in ("mean", "std", "min", "max")),
        "value_lag_1",
    ]
    assert [{name: row[name] for name in columns} for row in found["data"]] == [
        {"sensor": "b", "value": 2.5, "is_open": None, "note": "ü"},
        {"sensor": 7, "value": 3.0, "is_open": "?", "note": 1.5},
    ]
    assert found["data"][1]["value_rolling_mean_2"] == 2.75
    assert ask(tmp_path, look) == (columns, numeric, found)


def test_a_column_with_the_name_of_a_feature_gives_way(tmp_path):
    with buffers_of(tmp_path / "b.sqlite") as buffers:
        buffers.create("b", 10)
        buffers.append("b", [{"x": 1, "x_lag_1": 9}, {"x": 2, "x_lag_1": 9}])
        table = buffers.table("b", 1, FeatureSelection((), (), (1,)))
    assert table.columns == ["x", "x_lag_1", "x_lag_1_lag_1"]
    assert table.rows == [{"x": 2.0, "x_lag_1": 1.0, "x_lag_1_lag_1": 9.0}]


# ---- the life of a buffer ----


def test_the_calls_of_the_example_client(tmp_path):
    async def question(client):
        await client.post(URL + "buffers", json={"buffer_id": "custom", "window_size": 500})
        enhanced = []
        for point in named(SERIES[:30]):
            await client.post(URL + "append", json={"buffer_id": "custom", "data": point})
            answer = await client.post(
                URL + "features",
                json={
                    "buffer_id": "custom",
                    "rolling_windows": [5, 10],
                    "include_lags": True,
                    "tail": 1,
                },
            )
            if answer.json()["rows"] > 0:
                enhanced.append(answer.json()["data"][0])
        return enhanced

    enhanced = ask(tmp_path, question)
    frame = with_polars(SERIES[:30], NAMES, (5, 10), ("mean", "std", "min", "max"), (1, 2, 3))
    assert [list(row) for row in enhanced] == [frame.columns] * 30
    assert_like(Table(frame.columns, enhanced), frame)


def test_a_buffer_from_beginning_to_end(tmp_path):
    async def question(client):
        created = await post(client, "buffers", buffer_id="sensor-data")
        assert created == {
            "object": "buffer_created",
            "buffer_id": "sensor-data",
            "window_size": 1000,
            "status": "created",
        }
        assert (await get(client, "buffers/sensor-data"))["columns"] == []
        assert (await get(client, "buffers/sensor-data/data"))["data"] == []
        empty = await post(client, "features", buffer_id="sensor-data")
        assert (empty["rows"], empty["columns"], empty["data"]) == (0, [], [])
        problem = await refused(client, "buffers", status=409, buffer_id="sensor-data")
        assert (problem["id"], problem["field"]) == ("buffer_exists", "buffer_id")

        appended = await post(client, "append", buffer_id="sensor-data", data=named(SERIES[:3]))
        assert appended.pop("avg_append_ms") > 0
        assert appended == {
            "object": "append_result",
            "buffer_id": "sensor-data",
            "appended": 3,
            "buffer_size": 3,
        }
        info = await get(client, "buffers/sensor-data")
        listed = await get(client, "buffers")
        assert listed == {"object": "list", "data": [info], "total": 1}
        assert info.pop("avg_append_ms") > 0
        assert info.pop("memory_bytes") >= 3 * 2 * 8
        assert info == {
            "buffer_id": "sensor-data",
            "size": 3,
            "window_size": 1000,
            "columns": NAMES,
            "numeric_columns": NAMES,
            "append_count": 1,
        }

        answer = await client.post(URL + "buffers/sensor-data/clear")
        assert (answer.status_code, answer.json()["size"]) == (200, 0)
        info = await get(client, "buffers/sensor-data")
        assert (info["size"], info["columns"], info["append_count"]) == (0, [], 0)
        await post(client, "append", buffer_id="sensor-data", data={"other": 1})

        answer = await client.delete(URL + "buffers/sensor-data")
        assert (answer.status_code, answer.json()["deleted"]) == (200, True)
        assert (await get(client, "buffers"))["total"] == 0
        for method, path in (
            ("GET", "buffers/sensor-data"),
            ("GET", "buffers/sensor-data/data"),
            ("DELETE", "buffers/sensor-data"),
            ("POST", "buffers/sensor-data/clear"),
        ):
            answer = await client.request(method, URL + path)
            assert (answer.status_code, answer.json()["id"]) == (404, "buffer_unknown")
        for path in ("append", "features"):
            await refused(client, path, status=404, buffer_id="sensor-data", data={"x": 1})
        await post(client, "buffers", buffer_id="sensor-data")
        assert (await get(client, "buffers/sensor-data"))["size"] == 0

    ask(tmp_path, question)


def test_names_in_paths(tmp_path):
    async def question(client):
        for name in ("a b", "ü%ü", "x?y#z", "clear", "%2F"):
            await post(client, "buffers", buffer_id=name, window_size=10)
            assert (await get(client, f"buffers/{quote(name, safe='')}"))["buffer_id"] == name
        for name in ("a/b", "", ".", "..", "a\n", "x" * 257, None, 7):
            problem = await refused(client, "buffers", buffer_id=name)
            assert problem["field"] == "buffer_id"

    ask(tmp_path, question)


# ---- what is refused changes nothing ----


@pytest.mark.parametrize(
    ("rows", "row", "column", "field"),
    [
        ([{"a": 1, "b": "t"}, {"a": "x", "b": "t"}], 1, 0, "a"),
        ([{"a": 1, "b": "t"}, {"a": None, "b": "t"}], 1, 0, "a"),
        ([{"a": 1, "b": "t"}, {"a": 1, "b": [1]}], 1, 1, "b"),
        ([{"a": 1, "b": "t"}, {"a": 1, "b": {}}], 1, 1, "b"),
        ([{"a": 1, "b": "t" * 4097}], 0, 1, "b"),
        ([{"a": 1, "b": "t"}, {"a": 1}], 1, None, "b"),
        ([{"a": 1, "b": "t"}, {"a": 1, "b": "t", "c": 1}], 1, None, "c"),
        ([{"a": 1, "b": "t"}, {"a": 1e101, "b": "t"}], 1, 0, "a"),
        ([{"b": "t", "a": 1}, {"b": "t", "a": "x"}], 1, 0, "a"),
        ([{"a": 1, "b": "t"}, [1, "t"]], 1, None, "data"),
        ([{"a": 1, "b": "t"}, 7], 1, None, "data"),
    ],
)
def test_bad_cells_of_mixed_rows_are_named(rows, row, column, field, tmp_path):
    with buffers_of(tmp_path / "b.sqlite") as buffers:
        buffers.create("b", 10)
        buffers.append("b", [{"a": 0, "b": "first"}])
        before = buffers.stats("b")
        with pytest.raises(DataError) as caught:
            buffers.append("b", rows)
        error = caught.value
        assert (error.row, error.column, error.field) == (row, column, field)
        assert error.expected
        assert buffers.stats("b") == before
        assert len(buffers.table("b", None).rows) == 1
    with buffers_of(tmp_path / "b.sqlite") as buffers:
        assert buffers.table("b", None).rows == [{"a": 0.0, "b": "first"}]


def test_bad_rows_of_numbers_are_named(tmp_path):
    async def question(client):
        await post(client, "buffers", buffer_id="b")
        await post(client, "append", buffer_id="b", data={"x": 1, "y": 2})
        for data, row, column in (
            ([{"x": 1, "y": 2}, {"x": 1, "y": "2"}], 1, 1),
            ([{"x": 1, "y": 2}, {"y": 2, "x": None}], 1, 0),
            ([{"x": 1, "y": 1e101}], 0, 1),
            ([{"y": 1, "x": 1e101}], 0, 0),
            ([{"x": 1}], 0, None),
            ([{"x": 1, "y": 2, "z": 3}], 0, None),
            ([[1]], 0, None),
            ([[1, 2, 3]], 0, None),
            ([[1, [2]]], 0, 1),
            ([], None, None),
            ([[]], 0, None),
            ([{}], 0, None),
            ([7], 0, None),
            ({}, 0, None),
        ):
            problem = await refused(client, "append", buffer_id="b", data=data)
            assert problem["expected"]
            if not problem["id"].startswith("column_"):
                assert (problem.get("row"), problem.get("column")) == (row, column), data
        await post(client, "append", buffer_id="b", data=[[3, 4]])
        rows = (await get(client, "buffers/b/data"))["data"]
        assert rows == [{"x": 1.0, "y": 2.0}, {"x": 3.0, "y": 4.0}]

    ask(tmp_path, question)


def test_fields_out_of_range(tmp_path):
    async def question(client):
        for window_size in (9, 0, -1, 1.5, "x", True, 10**8):
            problem = await refused(client, "buffers", buffer_id="b", window_size=window_size)
            assert problem["field"] == "window_size"
        await post(client, "buffers", buffer_id="b", window_size=10)
        for field, value in (
            ("rolling_windows", [0]),
            ("rolling_windows", [5, 5]),
            ("rolling_windows", [2**24 + 1]),
            ("rolling_windows", list(range(1, 40))),
            ("rolling_windows", None),
            ("rolling_windows", 5),
            ("include_rolling_stats", ["median"]),
            ("include_rolling_stats", ["mean", "mean"]),
            ("include_lags", "yes"),
            ("lag_periods", [0]),
            ("tail", 0),
            ("tail", 1.5),
        ):
            problem = await refused(client, "features", buffer_id="b", **{field: value})
            assert problem["field"].split(".")[0] == field
        for query in ({"tail": 0}, {"tail": "x"}, {"with_features": "perhaps"}):
            answer = await client.get(URL + "buffers/b/data", params=query)
            assert (answer.status_code, answer.json()["field"]) == (422, next(iter(query)))
        for data in ("x", 7, None):
            assert (await refused(client, "append", buffer_id="b", data=data))["field"] == "data"

    ask(tmp_path, question)


def test_too_much_is_refused(tmp_path):
    async def question(client):
        await post(client, "buffers", buffer_id="a", window_size=10)
        await post(client, "buffers", buffer_id="b", window_size=10)
        problem = await refused(client, "buffers", status=429, buffer_id="c")
        assert problem["expected"] == "at most 2 buffers"
        problem = await refused(client, "append", status=413, buffer_id="a", data=[{"x": 1}] * 101)
        assert problem["expected"] == "at most 100 rows"
        problem = await refused(client, "append", status=413, buffer_id="a", data=[[1, 2, 3]])
        assert problem["expected"] == "at most 2 columns"
        await client.delete(URL + "buffers/a")
        await post(client, "buffers", buffer_id="c")

    ask(tmp_path, question, max_buffers=2, max_batch_rows=100, max_columns=2)


def test_keys_are_for_the_buffers_of_their_prefixes(tmp_path):
    scopes = ("read", "write", "admin")
    with_prefix = KeyFile(tmp_path / "api-keys.json").create("pumps", scopes, ("pump-",))[1]
    unbound = KeyFile(tmp_path / "api-keys.json").create("all", scopes, ())[1]

    async def question(client):
        client.headers["X-API-Key"] = unbound
        for name in ("valve", "pump-7"):
            await post(client, "buffers", buffer_id=name)
        client.headers["X-API-Key"] = with_prefix
        await post(client, "append", buffer_id="pump-7", data={"x": 1})
        assert [one["buffer_id"] for one in (await get(client, "buffers"))["data"]] == ["pump-7"]
        for path in ("append", "features", "buffers"):
            await refused(client, path, status=403, buffer_id="valve", data={"x": 1})
        for method, path in (
            ("GET", "buffers/valve"),
            ("GET", "buffers/valve/data"),
            ("DELETE", "buffers/valve"),
            ("POST", "buffers/valve/clear"),
        ):
            assert (await client.request(method, URL + path)).status_code == 403

    ask(tmp_path, question, auth="required")


def test_answers_that_are_too_large_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("freshet.server.buffers.buffers._MOST_CELLS", 1_000)
    with buffers_of(tmp_path / "b.sqlite") as buffers:
        buffers.create("b", 300)
        buffers.append("b", SERIES.tolist())
        with pytest.raises(Problem, match="ask for fewer rows") as caught:
            buffers.table("b", None, FeatureSelection())
        assert (caught.value.status, caught.value.members["field"]) == (413, "tail")
        assert len(buffers.table("b", 10, FeatureSelection()).rows) == 10
        with pytest.raises(Problem, match="ask for narrower windows"):
            buffers.table("b", 1, FeatureSelection((200,)))
