"""What the batch API refuses: errors name what is wrong, and nothing has changed."""

from __future__ import annotations

import os

import freshet
import pytest
from batch_testing import NEW, ROWS, URL, ask, fitting, post, refused
from freshet.server.keys import KeyFile


def test_backends_that_are_not_there_are_named(tmp_path):
    available = ", ".join(one.backend for one in freshet.backends())
    missing = [name for name in ("one_class_svm", "suod", "", "../x") if name not in available]

    async def question(client):
        for backend in [*missing, "no_such"]:
            for path in ("fit", "score", "detect", "save", "load"):
                problem = await refused(client, path, **fitting(backend=backend))
                assert (problem["id"], problem["field"]) == ("backend_unknown", "backend")
                assert problem["expected"] == f"one of {available}"

    ask(tmp_path, question)


@pytest.mark.parametrize(
    ("change", "row", "column", "field"),
    [
        ({"x": "many"}, 2, 1, "x"),
        ({"x": None}, 2, 1, "x"),
        ({"x": 1e101}, 2, 1, "x"),
        ({"x": [1]}, 2, 1, "x"),
        ({"y": 1}, 2, None, "y"),
    ],
)
def test_bad_cells_are_named_by_row_and_column(change, row, column, field, tmp_path):
    good = [{"w": i % 7, "x": i % 5} for i in range(30)]
    bad = [dict(one) for one in good]
    bad[2].update(change)

    async def question(client):
        problems = [await refused(client, "fit", **fitting(data=bad))]
        assert not os.listdir(tmp_path / "models-batch")
        await post(client, "fit", **fitting(data=good))
        for path in ("score", "detect"):
            problems.append(await refused(client, path, model="sensors", data=bad))
        assert not client.log.calls
        return problems

    for problem in ask(tmp_path, question):
        assert problem["row"] == row
        assert problem.get("column") == column
        assert problem["field"] == field
        assert problem["expected"]


def test_data_that_are_no_rows(tmp_path):
    async def question(client):
        for data in (
            *([], [[]], [{}], [1, 2], ["a"], [[1, 2, 3], [1]], [[1, 2, 3], {"a": 1}]),
            *([[[1]]], [None], [[None, 1, 2]]),
        ):
            await refused(client, "fit", **fitting(data=data))
            await post(client, "fit", **fitting())
            await refused(client, "score", model="sensors", data=data)
        await post(client, "score", model="sensors", data=NEW.tolist())

    ask(tmp_path, question)


def test_rows_of_another_width_are_refused(tmp_path):
    async def question(client):
        await post(client, "fit", **fitting())
        for data in ([[1, 2]], [[1, 2, 3, 4]], [{"f0": 1, "f1": 2}], [{"a": 1, "b": 2, "c": 3}]):
            problem = await refused(client, "score", model="sensors", data=data)
            assert problem["row"] == 0 or problem["id"].startswith("column_")

    ask(tmp_path, question)


def test_fields_out_of_range(tmp_path):
    async def question(client):
        for field, value in (
            ("model", "../x"),
            ("model", ""),
            ("model", ".x"),
            ("model", "a\n"),
            ("model", 7),
            ("contamination", 0),
            ("contamination", 0.6),
            ("contamination", "x"),
            ("normalization", "calibrated"),
            ("epochs", 0),
            ("batch_size", 0),
            ("epochs", 1.5),
            ("overwrite", "yes"),
            ("data", {"a": 1}),
            ("data", None),
            ("schema", {"f0": "md5"}),
            ("description", "x" * 1001),
        ):
            problem = await refused(client, "fit", **fitting(**{field: value}))
            assert problem["field"].split(".")[0] == field
        assert not os.listdir(tmp_path / "models-batch")

    ask(tmp_path, question)


def test_too_much_is_refused(tmp_path):
    async def question(client):
        await post(client, "fit", **fitting(data=ROWS[:100].tolist()))
        for path in ("fit", "score", "detect"):
            problem = await refused(client, path, status=413, **fitting(data=[[1, 2, 3]] * 101))
            assert problem["expected"] == "at most 100 rows"
            problem = await refused(client, path, status=413, **fitting(data=[[1, 2, 3, 4]]))
            assert problem["expected"] == "at most 3 columns"

    ask(tmp_path, question, max_batch_rows=100, max_columns=3)


def test_a_damaged_model_is_refused_with_its_reason(tmp_path):
    async def question(client):
        await post(client, "fit", **fitting())
        path = tmp_path / "models-batch" / "sensors.ecod.model"
        data = bytearray(path.read_bytes())
        data[-40] ^= 1
        path.write_bytes(data)
        for name in ("score", "detect", "load"):
            problem = await refused(client, name, model="sensors", data=NEW.tolist())
            assert problem["id"] == "file_hash"
            assert "checksum" in problem["detail"]
        assert not client.log.calls

    ask(tmp_path, question)


def test_paths_do_not_reach_the_file_system(tmp_path):
    secret = tmp_path / "secret.ecod.model"
    secret.write_text("x")

    async def question(client):
        for name in ("..%2Fsecret.ecod.model", "%2e%2e%2fsecret.ecod.model", ".secret", "x%00y"):
            answer = await client.delete(URL + "models/" + name)
            assert answer.status_code == 404, name
            assert answer.headers["content-type"] == "application/problem+json"

    ask(tmp_path / "data", question)
    assert secret.exists()


def test_keys_are_for_the_models_of_their_prefixes(tmp_path):
    scopes = ("read", "write", "admin")
    with_prefix = KeyFile(tmp_path / "api-keys.json").create("pumps", scopes, ("pump-",))[1]
    unbound = KeyFile(tmp_path / "api-keys.json").create("all", scopes, ())[1]

    async def question(client):
        client.headers["X-API-Key"] = unbound
        for name in ("pump", "pump-7"):
            await post(client, "fit", **fitting(model=name))
        client.headers["X-API-Key"] = with_prefix
        await post(client, "score", model="pump-7", data=NEW.tolist())
        for path in ("fit", "score", "detect", "save", "load"):
            # Of pump-latest only pump is a name.
            for name in ("pump", "pump-latest"):
                problem = await refused(client, path, status=403, **fitting(model=name))
                assert problem["id"] == "stream_forbidden"
        assert (await client.delete(URL + "models/pump.ecod.model")).status_code == 403
        assert [one["filename"] for one in (await client.get(URL + "models")).json()["data"]] == [
            "pump-7.ecod.model"
        ]

    ask(tmp_path, question, auth="required")
