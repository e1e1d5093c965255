"""Bundles that are exchanged while their streams go on."""

import asyncio
import contextlib
import shutil
import threading

import httpx
import numpy as np
from bundle_testing import SERIES, WINDOW, trained
from freshet.server import create_app
from freshet.server.models.bundle import load_bundle
from server_testing import asking, connected, listening, settings

MODELS = {seed: trained(seed) for seed in (1, 2)}
VALUES = SERIES[:40, 0].tolist()


def test_a_bundle_with_other_windows_begins_with_a_warm_up(application, models_dir):
    MODELS[1].save(models_dir / "taxi")
    app = application(models_poll_seconds=0.02)

    async def question(client):
        async def ask():
            return (await client.post("/predict_point", json={"value": 20.0})).json()

        for _ in range(WINDOW):
            before = await ask()
        trained(4, window=2 * WINDOW).save(models_dir / "taxi")
        while (after := await ask())["model_version"] == before["model_version"]:
            assert after["label"] == "normal"
        return before, after

    before, after = asking(app, question)
    assert before["label"] == "normal"
    assert (after["label"], after["samples_until_ready"]) == ("warmup", 2 * WINDOW - 2)


def test_a_stream_goes_on_after_a_restart_with_the_bundle_that_is_there_then(
    application, models_dir
):
    async def points(client):
        found = []
        for value in VALUES[: WINDOW + 1]:
            answer = await client.post("/predict_point", json={"value": value})
            found.append(answer.json())
        return found

    MODELS[1].save(models_dir / "taxi")
    before = asking(application(), points)
    MODELS[2].save(models_dir / "taxi")
    after = asking(application(), points)
    series = np.array([*VALUES[: WINDOW + 1], *VALUES[: WINDOW + 1]])[:, None]
    errors = {seed: model.score_rows(series) for seed, model in MODELS.items()}
    assert [answer["error"] for answer in before[WINDOW - 1 :]] == list(
        errors[1][WINDOW - 1 : WINDOW + 1]
    )
    assert [answer["error"] for answer in after] == list(errors[2][WINDOW + 1 :])
    assert len({answer["model_version"] for answer in before + after}) == 2


def test_bundles_are_exchanged_under_load_without_a_failed_request(
    application, models_dir, tmp_path
):
    finished = {seed: tmp_path / str(seed) for seed in MODELS}
    for seed, path in finished.items():
        MODELS[seed].save(path)
    versions = {seed: load_bundle("taxi", path).version for seed, path in finished.items()}
    shutil.copytree(finished[1], models_dir / "taxi")
    damaged = tmp_path / "damaged"
    shutil.copytree(finished[2], damaged)
    (damaged / "threshold.json").write_text("{}")

    answers = {name: [] for name in ("points-a", "points-b", "series")}
    is_over = threading.Event()
    failures = []

    def press(url, name):
        path, body = "/predict_point", {"stream_id": name, "value": 20.5}
        if name == "series":
            path, body = "/predict", {"values": VALUES}
        try:
            with httpx.Client(base_url=url, timeout=60) as client:
                while not is_over.is_set():
                    answer = client.post(path, json=body)
                    answers[name].append((answer.status_code, answer.json()))
        except Exception as error:
            failures.append(error)

    def put(path):
        """Exchange the bundle as one does by hand: there is a moment without any."""
        beside = models_dir / f".new-{path.name}"
        shutil.copytree(path, beside)
        if (models_dir / "taxi").exists():
            shutil.rmtree(models_dir / "taxi")
        beside.rename(models_dir / "taxi")

    def served_by(seed):
        """Wait until each client has heard from that bundle after now."""
        since = {name: len(found) for name, found in answers.items()}
        while not failures and not all(
            any(answer.get("model_version") == versions[seed] for _, answer in found[since[name] :])
            for name, found in answers.items()
        ):
            is_over.wait(0.005)

    with listening(application(models_poll_seconds=0.05)) as url:
        threads = [threading.Thread(target=press, args=(url, name)) for name in answers]
        for thread in threads:
            thread.start()
        try:
            served_by(1)
            for seed in (2, 1, 2):
                put(finished[seed])
                served_by(seed)
            put(damaged)
            served_by(2)
        finally:
            is_over.set()
            for thread in threads:
                thread.join()
    assert failures == []
    for name, found in answers.items():
        assert {status for status, _ in found} == {200}
        heard = [answer["model_version"] for _, answer in found]
        assert set(heard) == set(versions.values())
        # Each client hears one version after the other, and never an older one again.
        changes = [one for i, one in enumerate(heard) if i == 0 or heard[i - 1] != one]
        assert changes == [versions[seed] for seed in (1, 2, 1, 2)], name
    # No stream has lost its window.
    for name in ("points-a", "points-b"):
        labels = [answer["label"] for _, answer in answers[name]]
        assert labels.count("warmup") == WINDOW - 1
        assert set(labels[: WINDOW - 1]) == {"warmup"}


def test_replicas_that_have_other_bundles_agree_on_the_stream(tmp_path, redis_url):
    series = SERIES[:40]
    for seed, model in MODELS.items():
        (tmp_path / f"models-{seed}").mkdir()
        model.save(tmp_path / f"models-{seed}" / "taxi")
    replicas = [
        create_app(
            settings(tmp_path / str(seed), models_dir=tmp_path / f"models-{seed}", store=redis_url)
        )
        for seed in MODELS
    ]

    async def in_turn():
        async with contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(connected(one)) for one in replicas]
            return [
                (await clients[i % 2].post("/predict_point", json={"value": value})).json()
                for i, value in enumerate(series[:, 0].tolist())
            ]

    answers = asyncio.run(in_turn())
    errors = [MODELS[seed].score_rows(series) for seed in MODELS]
    # Each point is scored by the bundle of the replica that it came to, in the one window.
    assert [answer["error"] for answer in answers[WINDOW - 1 :]] == [
        errors[i % 2][i] for i in range(WINDOW - 1, len(series))
    ]
    assert len({answer["model_version"] for answer in answers}) == 2
