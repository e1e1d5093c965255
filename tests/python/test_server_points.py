"""Points and series over HTTP, scored by bundles."""

import subprocess

import httpx
import numpy as np
import pytest
from bundle_testing import SERIES, WINDOW, RecordingEngine, post, problem, trained
from freshet import StreamingDetector
from freshet.server import create_app
from freshet.server.keys import KeyFile
from freshet.server.models.bundle import load_bundle
from server_testing import asking, listening, settings

MODELS = {seed: trained(seed) for seed in (1, 2)}
PAIR = trained(3, n_columns=2, names=["load", "heat"])
VALUES = [*SERIES[:30, 0].tolist(), 80.0, *SERIES[31:40, 0].tolist()]


# ---- points ----


def test_a_point_may_be_sent_by_curl(application, models_dir):
    MODELS[1].save(models_dir / "taxi")
    command = ["curl", "-X", "POST", "-H", "Content-Type: application/json"]
    command += ["-d", '{"stream_id":"default","value":23.1}']
    with listening(application()) as url:
        command += [f"{url}/predict_point"]
        answer = subprocess.run(command, check=True, capture_output=True).stdout
    version = load_bundle("taxi", models_dir / "taxi").version
    assert httpx.Response(200, content=answer).json() == {
        "stream_id": "default",
        "label": "warmup",
        "error": None,
        "threshold": MODELS[1].threshold_,
        "samples_until_ready": WINDOW - 2,  # then the next one is scored
        "model_version": version,
    }


def test_points_are_scored_as_a_detector_that_begins_with_the_bundle_scores_them(
    application, models_dir
):
    MODELS[1].save(models_dir / "taxi")
    detector = StreamingDetector.from_bundle(models_dir / "taxi")

    async def question(client):
        return [
            (await client.post("/predict_point", json={"stream_id": "s", "value": value})).json()
            for value in VALUES
        ]

    answers = asking(application(), question)
    for answer, value in zip(answers, VALUES, strict=True):
        expected = detector.process([value])
        assert answer["error"] == expected.raw_score
        assert answer["samples_until_ready"] == expected.samples_until_ready
        label = "anomaly" if expected.is_anomaly else "normal"
        assert answer["label"] == ("warmup" if expected.is_anomaly is None else label)
    assert {answer["label"] for answer in answers} == {"warmup", "normal", "anomaly"}


def test_rows_of_several_columns_come_in_order_or_by_name(application, models_dir):
    PAIR.save(models_dir / "pair")
    app = application()

    async def question(client):
        rows = [{"heat": 2.0 * x, "load": x} if i % 2 else [x, 2.0 * x] for i, x in
                enumerate(VALUES)]  # fmt: skip
        return [(await client.post("/predict_point", json={"value": row})) for row in rows]

    answers = asking(app, question)
    detector = StreamingDetector.from_bundle(models_dir / "pair")
    expected = [detector.process([x, 2.0 * x]).raw_score for x in VALUES]
    assert [answer.json()["error"] for answer in answers] == expected


def test_points_may_have_a_time_that_never_goes_back(application, models_dir):
    MODELS[1].save(models_dir / "taxi")
    times = [1_700_000_000, 1_700_000_000.5, "2026-01-31T12:00:00+01:00", "2026-01-31T11:00:01"]

    async def question(client):
        for time in times:
            answer = await client.post("/predict_point", json={"value": 20.0, "timestamp": time})
            assert answer.status_code == 200, answer.text
        return await client.post("/predict_point", json={"value": 20.0, "timestamp": times[0]})

    assert problem(asking(application(), question), 422)["id"] == "timestamp_out_of_order"


def test_values_that_cannot_be_accepted_change_nothing(application, models_dir):
    MODELS[1].save(models_dir / "taxi")
    values = [True, None, "23", [True], ["x"], {"f0": None}, [], {}, [1.0, 2.0], {"x": 1.0}, 1e300]

    async def question(client):
        for value in values:
            # A stream that is not there yet, and one that is.
            for stream in ("new", "old"):
                body = {"stream_id": stream, "value": value}
                assert problem(await client.post("/predict_point", json=body), 422)["detail"]
            good = {"stream_id": "old", "value": 20.0}
            last = (await client.post("/predict_point", json=good)).json()
        streams = (await client.get("/v1/ml/anomaly/stream/detectors")).json()["data"]
        return last, {one["model_id"]: one["total_processed"] for one in streams}

    last, processed = asking(application(), question)
    assert last["label"] == "normal"
    assert processed == {"old": len(values)}


def test_points_through_the_streaming_api_carry_the_bundle_too(application, models_dir):
    MODELS[1].save(models_dir / "taxi")
    version = load_bundle("taxi", models_dir / "taxi").version

    async def question(client):
        point = (await client.post("/predict_point", json={"value": 20.0})).json()
        path = "/v1/ml/anomaly/stream"
        return [
            point["model_version"],
            (await client.post(path, json={"model": "default", "data": [[20.0]]})).json()["bundle"],
            (await client.post(path, json={"model": "own", "data": [[20.0]]})).json()["bundle"],
        ]

    assert asking(application(), question) == [version, version, None]


# ---- series ----


def test_a_series_is_scored_at_every_window_end_and_logged(application, models_dir):
    MODELS[1].save(models_dir / "taxi")
    app = application()
    answer = post(app, "/predict", {"values": VALUES, "stream_id": "history"}).json()
    series = np.array(VALUES)[:, None]
    expected = MODELS[1].score_rows(series)[WINDOW - 1 :]
    assert answer["errors"] == expected.tolist()
    assert answer["labels"] == [
        "anomaly" if error > MODELS[1].threshold_ else "normal" for error in expected
    ]
    assert set(answer["labels"]) == {"normal", "anomaly"}
    assert answer["threshold"] == MODELS[1].threshold_
    assert answer["window"] == WINDOW
    version = load_bundle("taxi", models_dir / "taxi").version
    assert answer["model_version"] == version
    (logged,) = app.state.engine.logged
    assert (logged["stream_id"], logged["mode"]) == ("history", "batch")
    assert (logged["model_version"], logged["threshold"]) == (version, MODELS[1].threshold_)
    assert logged["columns"] == ("f0",)
    # The rows that windows end at.
    np.testing.assert_array_equal(logged["values"], series[WINDOW - 1 :])
    np.testing.assert_array_equal(logged["scores"], expected)
    assert logged["is_anomaly"].sum() == answer["labels"].count("anomaly")


def test_a_series_of_several_columns_comes_in_order_or_by_name(application, models_dir):
    PAIR.save(models_dir / "pair")
    by_name = [{"heat": 2.0 * x, "load": x} for x in VALUES]
    in_order = [[x, 2.0 * x] for x in VALUES]
    app = application()
    one, other = (post(app, "/predict", {"values": rows}).json() for rows in (by_name, in_order))
    assert one == other
    assert len(one["errors"]) == len(VALUES) - WINDOW + 1


def test_series_that_cannot_be_scored(application, models_dir):
    MODELS[1].save(models_dir / "taxi")
    app = application()
    cases = [
        ([], "at least 1 item"),
        (VALUES[: WINDOW - 1], f"at least {WINDOW} rows"),
        ([*VALUES, "x"], f"row {len(VALUES)}"),
        ([*VALUES, True], f"row {len(VALUES)}"),
        ([*VALUES, [1.0, 2.0]], f"row {len(VALUES)}"),
        ([[x, x] for x in VALUES], "1 value"),
        ([{"load": x} for x in VALUES], '"f0" is missing'),
        ([{"load": x, "f0": x} for x in VALUES], '"load" is unknown'),
        ("20.0", "list"),
    ]

    async def question(client):
        return [await client.post("/predict", json={"values": values}) for values, _ in cases]

    for answer, (_, says) in zip(asking(app, question), cases, strict=True):
        told = problem(answer, 422)
        assert says in f"{told['detail']} {told['expected']}"
    assert app.state.engine.logged == []


def test_a_series_that_is_too_long_is_refused(application, models_dir):
    MODELS[1].save(models_dir / "taxi")
    told = problem(post(application(max_batch_rows=20), "/predict", {"values": VALUES}), 413)
    assert (told["field"], told["expected"]) == ("values", "at most 20 rows")


# ---- which bundle ----


@pytest.mark.parametrize("has_directory", [True, False])
def test_without_a_bundle_the_service_is_ready_and_says_how_to_get_one(
    application, models_dir, tmp_path, has_directory
):
    app = application()
    if not has_directory:
        app = create_app(settings(tmp_path / "data"))
        app.state.engine = RecordingEngine(app.state.settings, app.state.metrics)

    async def question(client):
        assert (await client.get("/ready")).status_code == 200
        bodies = {"/predict_point": {"value": 1.0}, "/predict": {"values": VALUES}}
        return [await client.post(path, json=body) for path, body in bodies.items()]

    for answer in asking(app, question):
        told = problem(answer, 503)
        assert told["id"] == "bundle_missing"
        assert "models_dir" in told["detail"]
        assert "freshet train" in told["detail"]
        assert str(tmp_path) not in answer.text
        assert answer.headers["retry-after"]


def test_a_request_may_name_its_bundle(application, models_dir):
    for seed, model in MODELS.items():
        model.save(models_dir / f"taxi-{seed}")

    async def question(client):
        found = {}
        for name in ("taxi-1", "taxi-2", None):
            body = {"value": 1.0, "stream_id": str(name), "bundle": name}
            found[name] = await client.post("/predict_point", json=body)
        return found

    found = asking(application(bundle="taxi-2"), question)
    versions = {name: answer.json()["model_version"] for name, answer in found.items()}
    assert versions["taxi-1"].startswith("taxi-1@")
    assert versions["taxi-2"] == versions[None]
    # Without a default there is no telling which is meant.
    told = problem(asking(application(), question)[None], 422)
    assert (told["id"], told["field"]) == ("bundle_unknown", "bundle")
    assert told["expected"] == "one of taxi-1, taxi-2"


def test_no_path_leads_from_a_request_to_a_file(application, models_dir, tmp_path):
    MODELS[1].save(models_dir / "taxi")
    (tmp_path / "finished").mkdir()
    MODELS[2].save(tmp_path / "finished" / "taxi")
    outside = str(tmp_path / "finished" / "taxi")

    async def question(client):
        for name in ("other", "../finished/taxi", outside, "taxi/..", "taxi/.", "", ".", "\0"):
            bodies = {"/predict_point": {"value": 1.0}, "/predict": {"values": VALUES}}
            for path, body in bodies.items():
                answer = await client.post(path, json={**body, "bundle": name})
                problem(answer, 404 if name == "other" else 422)

    asking(application(), question)


# ---- who may ----


def test_a_stream_that_trains_models_of_its_own_takes_no_bundle(application, models_dir):
    MODELS[1].save(models_dir / "taxi")

    async def question(client):
        await client.post("/v1/ml/anomaly/stream", json={"model": "own", "data": [[1.0]]})
        refused = await client.post("/predict_point", json={"stream_id": "own", "value": 1.0})
        return refused, (await client.get("/v1/ml/anomaly/stream/own")).json()

    refused, info = asking(application(), question)
    assert problem(refused, 409)["id"] == "settings_conflict"
    assert info["total_processed"] == 1


def test_a_key_is_for_its_streams(application, models_dir, tmp_path):
    MODELS[1].save(models_dir / "taxi")
    _, key = KeyFile(tmp_path / "data" / "api-keys.json").create("pumps", ["write"], ["pump-"])
    app = application(auth="required")

    async def question(client):
        headers = {"X-API-Key": key}
        bodies = {"/predict_point": {"value": 1.0}, "/predict": {"values": VALUES}}
        return [
            (await client.post(path, json={**body, "stream_id": stream}, headers=headers))
            for path, body in bodies.items()
            for stream in ("pump-1", "default")
        ]

    assert [answer.status_code for answer in asking(app, question)] == [200, 403, 200, 403]
    assert [logged["stream_id"] for logged in app.state.engine.logged] == ["pump-1"]
