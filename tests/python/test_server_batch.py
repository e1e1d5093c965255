"""The batch API over HTTP: scores are the library's, normalized as NumPy would; whatever was
acknowledged survives a restart."""

from __future__ import annotations

import asyncio
import os
import time

import freshet
import numpy as np
import pytest
from batch_testing import NEW, ROWS, URL, ask, fitting, post, refused
from freshet.server.models.batch import Batch
from freshet_testing import table
from server_testing import settings

#: Takes minutes to train a network on.
LONG = table("gaussian", 20_000, 3).tolist()
ESTIMATORS = {
    "ecod": freshet.ECOD,
    "copod": freshet.COPOD,
    "hbos": freshet.HBOS,
    "loda": lambda: freshet.LODA(random_state=0),
    "isolation_forest": lambda: freshet.IForest(random_state=0),
    "mcd": lambda: freshet.MCD(random_state=0),
    "one_class_svm": freshet.OCSVM,
    "knn": freshet.KNN,
    "local_outlier_factor": freshet.LOF,
    "cblof": lambda: freshet.CBLOF(random_state=0),
    "suod": lambda: freshet.SUOD(random_state=0),
    "autoencoder": lambda: freshet.AutoEncoder(epoch_num=100, random_state=0),
}


# ---- scores ----


@pytest.mark.parametrize("backend", ESTIMATORS)
def test_raw_scores_are_the_estimators(backend, tmp_path):
    async def question(client):
        await post(client, "fit", **fitting(backend=backend))
        return await post(client, "score", model="sensors", backend=backend, data=NEW.tolist())

    data = ask(tmp_path, question)["data"]
    expected = ESTIMATORS[backend]().fit(ROWS).decision_function(NEW)
    assert [row["raw_score"] for row in data] == expected.tolist()
    assert [row["index"] for row in data] == list(range(len(NEW)))


def test_a_model_is_an_isolation_forest_unless_the_request_says_otherwise(tmp_path):
    async def question(client):
        fitted = await post(client, "fit", data=ROWS.tolist())
        return fitted, (await post(client, "score", data=NEW.tolist()))["data"]

    fitted, data = ask(tmp_path, question)
    assert (fitted["model"], fitted["backend"]) == ("default", "isolation_forest")
    expected = freshet.IForest(random_state=0).fit(ROWS).decision_function(NEW)
    assert [row["raw_score"] for row in data] == expected.tolist()


def test_raw_scores_are_pyods(tmp_path):
    from pyod.models.ecod import ECOD
    from pyod.models.hbos import HBOS

    async def question(client):
        found = {}
        for backend in ("ecod", "hbos"):
            await post(client, "fit", **fitting(backend=backend))
            scored = await post(
                client, "score", model="sensors", backend=backend, data=NEW.tolist()
            )
            found[backend] = [row["raw_score"] for row in scored["data"]]
        return found

    found = ask(tmp_path, question)
    np.testing.assert_allclose(found["hbos"], HBOS().fit(ROWS).decision_function(NEW), rtol=1e-9)
    # PyOD's ECOD lets the rows of a batch change each other's scores; ours are as of one alone.
    theirs = ECOD().fit(ROWS)
    expected = [theirs.decision_function(row[None])[0] for row in NEW[-5:]]
    np.testing.assert_allclose(found["ecod"][-5:], expected, rtol=1e-9)


@pytest.mark.parametrize("kind", ["standardization", "zscore", "raw"])
@pytest.mark.parametrize("asks", ["fitted with it", "asked for it"])
def test_normalizations(kind, asks, tmp_path):
    given = {"normalization": kind}
    at_fit, at_score = (given, {}) if asks == "fitted with it" else ({}, given)

    async def question(client):
        fitted = await post(client, "fit", **fitting(contamination=0.2, **at_fit))
        rows = NEW.tolist()
        scored = await post(client, "score", model="sensors", data=rows, **at_score)
        detected = await post(client, "detect", model="sensors", data=rows, **at_score)
        return fitted, scored, detected

    fitted, scored, detected = ask(tmp_path, question)
    oracle = freshet.ECOD(contamination=0.2).fit(ROWS)
    raw, training = oracle.decision_function(NEW), oracle.decision_scores_
    z = (raw - training.mean()) / training.std()
    scores = {"standardization": 1 / (1 + np.exp(-z)), "zscore": z, "raw": raw}[kind]
    threshold = {"standardization": 0.5, "zscore": 2.0, "raw": np.percentile(training, 80)}[kind]
    anomalies = scores > threshold
    assert 0 < anomalies.sum() < len(anomalies)

    data, summary = scored["data"], scored["summary"]
    np.testing.assert_allclose([row["score"] for row in data], scores, rtol=1e-12)
    assert [row["is_anomaly"] for row in data] == anomalies.tolist()
    assert all(list(row) == ["index", "score", "is_anomaly", "raw_score"] for row in data)
    assert summary == {
        "total_points": len(NEW),
        "anomaly_count": anomalies.sum(),
        "anomaly_rate": anomalies.mean(),
        "threshold": pytest.approx(threshold, rel=1e-12),
    }
    if at_fit:
        assert fitted["model_params"]["threshold"] == summary["threshold"]

    n_anomalies = int(anomalies.sum())
    assert detected == {
        "object": "list",
        "data": [
            {name: row[name] for name in ("index", "score", "raw_score")}
            for row in data
            if row["is_anomaly"]
        ],
        "total_count": n_anomalies,
        "summary": {"anomalies_detected": n_anomalies, "threshold": summary["threshold"]},
    }


def test_a_threshold_of_ones_own(tmp_path):
    async def question(client):
        await post(client, "fit", **fitting())
        rows = NEW.tolist()
        return [
            await post(client, "score", model="sensors", data=rows, threshold=threshold)
            for threshold in (-1, 0.75, 2)
        ]

    none, some, all_ = ask(tmp_path, question)[::-1]
    assert none["summary"]["anomaly_count"] == 0
    assert all_["summary"]["anomaly_count"] == len(NEW)
    assert some["summary"]["threshold"] == 0.75
    assert all(row["is_anomaly"] == (row["score"] > 0.75) for row in some["data"])


def test_training_rows_that_are_all_the_same(tmp_path):
    async def question(client):
        await post(client, "fit", **fitting(data=[[0.1, 7.0]] * 30))
        scored = [
            await post(client, "score", model="sensors", data=[[0.1, 7.0], [5, 5]], normalization=n)
            for n in ("standardization", "zscore", "raw")
        ]
        return [[row["score"] for row in one["data"]] for one in scored]

    (usual, far), (z_usual, z_far), _ = ask(tmp_path, question)
    assert (usual, z_usual) == (0.5, 0.0)
    assert 0.5 < far < 1.0
    assert 0.0 < z_far < 1e3


def test_columns_are_matched_by_name(tmp_path):
    names = ["a", "b", "c"]
    rows = [dict(zip(names, row, strict=True)) for row in ROWS.tolist()]

    async def question(client):
        fitted = await post(client, "fit", **fitting(data=rows))
        turned = [dict(reversed(row.items())) for row in rows[:5]]
        by_name = await post(client, "score", model="sensors", data=turned)
        by_place = await post(client, "score", model="sensors", data=ROWS[:5].tolist())
        return fitted, by_name, by_place, client.log.calls

    fitted, by_name, by_place, calls = ask(tmp_path, question)
    assert by_name == by_place
    assert fitted["encoder"] == {
        "schema": {"a": "numeric", "b": "numeric", "c": "numeric"},
        "features": names,
    }
    for call in calls:
        assert call["columns"] == names
        np.testing.assert_array_equal(call["values"], ROWS[:5])


# ---- answers ----


def test_what_fit_answers(tmp_path):
    async def question(client):
        return await post(client, "fit", **fitting(contamination=0.25, description="pumps"))

    fitted = ask(tmp_path, question)
    assert fitted.pop("training_time_ms") > 0
    assert fitted == {
        "object": "fit_result",
        "model": "sensors",
        "backend": "ecod",
        "samples_fitted": 200,
        "model_params": {
            "backend": "ecod",
            "contamination": 0.25,
            "threshold": 0.5,
            "input_dim": 3,
        },
        "encoder": {
            "schema": {"f0": "numeric", "f1": "numeric", "f2": "numeric"},
            "features": ["f0", "f1", "f2"],
        },
        "status": "fitted",
    }


def test_saving_loading_listing_and_deleting(tmp_path):
    async def question(client):
        await post(client, "fit", **fitting())
        expected = {
            "model": "sensors",
            "backend": "ecod",
            "filename": "sensors.ecod.model",
            "path": "models-batch/sensors.ecod.model",
            "encoder_path": None,
        }
        saved = await post(client, "save", model="sensors", backend="ecod", normalization="zscore")
        assert saved == {"object": "save_result", **expected, "status": "saved"}
        loaded = await post(client, "load", model="sensors", backend="ecod")
        assert loaded == {"object": "save_result", **expected, "status": "saved"}
        scored = await post(client, "score", model="sensors", data=NEW.tolist())
        assert scored["summary"]["threshold"] == 2.0  # as it was saved

        listed = (await client.get(URL + "models")).json()
        path = tmp_path / "models-batch" / "sensors.ecod.model"
        assert listed == {
            "object": "list",
            "data": [
                {
                    "filename": "sensors.ecod.model",
                    "size_bytes": path.stat().st_size,
                    "modified": path.stat().st_mtime,
                    "backend": "ecod",
                }
            ],
            "models_dir": "models-batch",
            "total": 1,
        }
        answer = await client.delete(URL + "models/sensors.ecod.model")
        assert answer.status_code == 200
        assert answer.json()["filename"] == "sensors.ecod.model"
        assert (await client.get(URL + "models")).json()["total"] == 0
        for path in ("score", "detect"):
            problem = await refused(client, path, status=404, model="sensors", data=[[1, 2, 3]])
            assert (problem["id"], problem["field"]) == ("file_missing", "model")
        for path in ("save", "load"):
            assert (await refused(client, path, status=404, model="sensors"))["field"] == "model"
        answer = await client.delete(URL + "models/sensors.ecod.model")
        assert answer.status_code == 404

    ask(tmp_path, question)


def test_a_restart_forgets_nothing(tmp_path):
    async def before(client):
        await post(client, "fit", **fitting(normalization="zscore"))
        return await post(client, "score", model="sensors", data=NEW.tolist())

    async def after(client):
        return await post(client, "score", model="sensors", data=NEW.tolist())

    assert ask(tmp_path, before) == ask(tmp_path, after)


def test_versions(tmp_path):
    async def question(client):
        first = await post(client, "fit", **fitting(overwrite=False))
        second = await post(client, "fit", **fitting(overwrite=False, normalization="zscore"))
        assert first["model"] != second["model"]
        assert first["model"].startswith("sensors_")
        loaded = await post(client, "load", model="sensors-latest")
        assert loaded["model"] == second["model"]
        scored = [
            await post(client, "score", model=name, backend="ecod", data=NEW.tolist())
            for name in (first["model"], "sensors-latest")
        ]
        assert [one["summary"]["threshold"] for one in scored] == [0.5, 2.0]
        assert [call["stream_id"] for call in client.log.calls] == [first["model"], "sensors"]
        assert (await refused(client, "fit", **fitting(model="x-latest")))["field"] == "model"

    ask(tmp_path, question)


def test_predictions_are_logged(tmp_path):
    async def question(client):
        await post(client, "fit", **fitting())
        scored = await post(client, "score", model="sensors", data=NEW.tolist(), threshold=0.7)
        await post(client, "detect", model="sensors-latest", data=NEW.tolist(), threshold=0.7)
        return scored, client.log.calls

    began = time.time()
    scored, calls = ask(tmp_path, question)
    assert len(calls) == 2
    for call in calls:
        assert (call["stream_id"], call["mode"], call["threshold"]) == ("sensors", "batch", 0.7)
        assert call["columns"] == ["f0", "f1", "f2"]
        np.testing.assert_array_equal(call["values"], NEW)
        for name, column in (
            ("scores", "score"),
            ("raw_scores", "raw_score"),
            ("is_anomaly", "is_anomaly"),
        ):
            assert call[name].tolist() == [row[column] for row in scored["data"]]
        assert began - 1 <= call["received_at"] <= time.time()
        assert call["model_version"] == calls[0]["model_version"]


def test_predictions_that_cannot_be_logged_are_not_answered(tmp_path):
    async def question(client):
        await post(client, "fit", **fitting())

        async def fail(**call):
            raise freshet.errors.Error("the journal is full", id="store_unavailable")

        client.log.log_predictions = fail
        await refused(client, "score", status=503, model="sensors", data=NEW.tolist())

    ask(tmp_path, question)


# ---- methods that score windows ----


def test_windows(tmp_path):
    series = np.sin(np.arange(300)[:, None] * 0.3 + np.arange(2))
    new = series[:60].copy()
    new[55] = 4.0

    async def question(client):
        fitted = await post(
            client,
            "fit",
            **fitting(backend="lstm_autoencoder", data=series.tolist(), epochs=3, batch_size=50),
        )
        scored = await post(client, "score", model="sensors", data=new.tolist())
        problem = await refused(client, "score", model="sensors", data=new[:47].tolist())
        return fitted, scored, problem, client.log.calls

    fitted, scored, problem, (call,) = ask(tmp_path, question)
    oracle = freshet.LSTMAutoencoder(epochs=3, batch_size=50, n_threads=1).fit(series)
    raw = oracle.score_rows(new)
    assert fitted["samples_fitted"] == 300
    for row in scored["data"][:47]:
        assert [row[name] for name in ("score", "is_anomaly", "raw_score")] == [None] * 3
    assert [row["raw_score"] for row in scored["data"][47:]] == raw[47:].tolist()
    assert scored["data"][59]["is_anomaly"] is True
    assert problem["expected"] == "at least 48 rows"
    np.testing.assert_array_equal(call["raw_scores"], raw[47:])
    np.testing.assert_array_equal(call["values"], new[47:])


def test_a_table_as_wide_as_a_window_is_no_window(tmp_path):
    series = table("gaussian", 120, 48)

    async def question(client):
        fitted = await post(
            client, "fit", **fitting(backend="lstm_autoencoder", data=series.tolist(), epochs=1)
        )
        scored = await post(client, "score", model="sensors", data=series[:50].tolist())
        return fitted, scored

    fitted, scored = ask(tmp_path, question)
    assert fitted["model_params"]["input_dim"] == 48
    assert [row["score"] is None for row in scored["data"]] == [True] * 47 + [False] * 3


def test_rows_so_far_out_that_arithmetic_gives_up_are_anomalies(tmp_path):
    async def question(client):
        rows = np.zeros((60, 3))
        rows[59] = 1e100
        await post(client, "fit", **fitting(backend="lstm_autoencoder", epochs=1))
        return [
            (await post(client, "score", model="sensors", data=rows.tolist(), normalization=n))
            for n in ("standardization", "zscore", "raw")
        ]

    for scored in ask(tmp_path, question):
        last = scored["data"][-1]
        assert last["is_anomaly"] is True
        assert last["score"] is not None
        assert last["raw_score"] > 1e3


def test_no_model_is_made_whose_scores_are_not_finite(tmp_path, monkeypatch):
    class Infinite(freshet.ECOD):
        def fit(self, X, y=None):
            super().fit(X)
            self.decision_scores_[7] = np.inf
            return self

    monkeypatch.setattr(freshet, "ECOD", Infinite)

    async def question(client):
        problem = await refused(client, "fit", **fitting())
        assert (problem["id"], problem["field"]) == ("fit_failed", "data")
        assert not os.listdir(tmp_path / "models-batch")

    ask(tmp_path, question)


def test_a_training_ends_with_the_service(tmp_path):
    batch = Batch(settings(tmp_path))

    async def run():
        from freshet.server.models.training import Training

        training = Training("sensors", "lstm_autoencoder", epochs=10_000)
        fit = asyncio.create_task(batch.fit(training, LONG, overwrite=True))
        await asyncio.sleep(0.2)
        await asyncio.to_thread(batch.close)
        with pytest.raises(freshet.FitError) as caught:
            await fit
        return caught.value.id

    assert asyncio.run(run()) == "fit_cancelled"
    assert not os.listdir(tmp_path / "models-batch")


# ---- encodings ----


LOG = [
    {"milliseconds": 100.0 + i % 9, "method": "GET" if i % 4 else "POST", "cached": i % 3 == 0}
    for i in range(60)
]
SCHEMA = {"milliseconds": "numeric", "method": "onehot", "cached": "binary"}


def test_encodings_belong_to_the_model(tmp_path):
    odd = {"milliseconds": 9000.0, "method": "DELETE", "cached": False}

    async def before(client):
        fitted = await post(client, "fit", **fitting(data=LOG, schema=SCHEMA))
        saved = await post(client, "save", model="sensors")
        scored = await post(client, "score", model="sensors", data=[*LOG[:5], odd])
        again = await post(client, "score", model="sensors", data=[*LOG[:5], odd], schema=SCHEMA)
        assert again == scored
        problem = await refused(
            client, "score", status=409, model="sensors", data=LOG, schema={"method": "label"}
        )
        assert problem["id"] == "schema_conflict"
        for path in ("score", "detect"):
            assert (await refused(client, path, model="sensors", data=[]))["id"] == "batch_empty"
            await refused(client, path, model="sensors", data=[{"method": "GET"}])
        return fitted, saved, scored, client.log.calls[0]

    async def after(client):
        return await post(client, "score", model="sensors", data=[*LOG[:5], odd])

    fitted, saved, scored, call = ask(tmp_path, before)
    assert fitted["encoder"]["schema"] == SCHEMA
    features = fitted["encoder"]["features"]
    assert fitted["model_params"]["input_dim"] == len(features) == call["values"].shape[1] == 4
    assert call["columns"] == features
    assert saved["encoder_path"] == saved["path"]
    encoder = freshet.Encoder(SCHEMA).fit(LOG)
    oracle = freshet.ECOD().fit(encoder.transform(LOG))
    expected = oracle.decision_function(encoder.transform([*LOG[:5], odd]))
    np.testing.assert_array_equal([row["raw_score"] for row in scored["data"]], expected)
    assert ask(tmp_path, after) == scored


def test_cells_that_cannot_be_encoded_are_named(tmp_path):
    bad = [dict(one) for one in LOG]
    bad[3]["cached"] = "perhaps"

    async def question(client):
        problem = await refused(client, "fit", **fitting(data=bad, schema=SCHEMA))
        assert (problem["row"], problem["field"]) == (3, "cached")
        problem = await refused(client, "fit", **fitting(data=LOG))
        assert (problem["row"], problem["field"]) == (0, "method")
        many = [{"word": f"w{i}"} for i in range(60)]
        problem = await refused(
            client, "fit", status=413, **fitting(data=many, schema={"word": "onehot"})
        )
        assert problem["expected"] == "at most 50 columns"

    ask(tmp_path, question, max_columns=50)


# ---- backends ----


def test_the_backends_are_listed(tmp_path):
    async def question(client):
        return (await client.get(URL + "backends")).json()

    found = ask(tmp_path, question)
    names = list(freshet.Backend.__annotations__)
    assert (found["object"], found["total"]) == ("list", len(freshet.backends()))
    for one, expected in zip(found["data"], freshet.backends(), strict=True):
        assert list(one) == names
        assert all(one[name] == getattr(expected, name) for name in names if name != "parameters")
        assert one["parameters"] == list(expected.parameters)
    categories = [one.category for one in freshet.backends()]
    assert found["categories"] == list(dict.fromkeys(categories))


# ---- threads ----


def test_others_are_served_while_a_model_is_trained(tmp_path):
    async def question(client):
        endless = fitting(backend="lstm_autoencoder", data=LONG, epochs=10_000)
        training = asyncio.create_task(refused(client, "fit", status=503, **endless))
        await asyncio.sleep(0)
        await post(client, "fit", **fitting())
        await post(client, "score", model="sensors", data=NEW.tolist())
        assert not training.done()
        await asyncio.to_thread(client.app.state.batch.close)
        assert (await training)["id"] == "fit_cancelled"

    ask(tmp_path, question, retrain_threads=2)


def test_many_at_once(tmp_path):
    async def question(client):
        await asyncio.gather(
            *(
                post(client, "fit", **fitting(model=f"m{i % 3}", contamination=0.1 + 0.01 * i))
                for i in range(12)
            )
        )
        scored = await asyncio.gather(
            *(post(client, "score", model=f"m{i % 3}", data=NEW.tolist()) for i in range(30))
        )
        raw = {tuple(row["raw_score"] for row in one["data"]) for one in scored}
        assert len(raw) == 1
        assert len(client.log.calls) == 30

    ask(tmp_path, question)
