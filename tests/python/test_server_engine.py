"""The engine: streams go on as if nothing had happened, whatever happens."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import freshet
import numpy as np
import pytest
from engine_testing import (
    SETTINGS,
    assert_same_verdicts,
    crash,
    engine_at,
    score,
    settle,
    uninterrupted,
)
from freshet.errors import ConfigurationError, DataError, UnknownStreamError
from freshet.server.engine import LimitError, SettingsConflictError, StoreError
from freshet_testing import stream


def run(coroutine: Any) -> Any:
    return asyncio.run(coroutine)


async def process(engine: Any, rows: np.ndarray, stream_id: str = "pump", chunk: int = 1) -> Any:
    records = [
        await score(engine, stream_id, rows[i : i + chunk]) for i in range(0, len(rows), chunk)
    ]
    return np.concatenate(records)


class TestScoring:
    @pytest.mark.parametrize("chunk", [1, 7])
    def test_is_what_one_detector_says(self, tmp_path: Path, chunk: int) -> None:
        rows = stream(300)

        async def scenario() -> np.ndarray:
            engine = engine_at(tmp_path)
            await engine.start()
            try:
                found = []
                for part in np.array_split(rows, 3):
                    found.append(await process(engine, part, chunk=chunk))
                    await settle(engine, "pump")
                return np.concatenate(found)
            finally:
                await engine.close()

        found = run(scenario())
        if chunk == 1:
            assert_same_verdicts(found, uninterrupted(rows, found["model_version"]))
        assert found["model_version"].max() >= 3

    def test_many_streams_at_once_do_not_mix(self, tmp_path: Path) -> None:
        series = {f"s{i}": stream(120, seed=i) for i in range(20)}

        async def scenario() -> dict[str, np.ndarray]:
            engine = engine_at(tmp_path, retrain_threads=2)
            await engine.start()
            try:
                answers = await asyncio.gather(
                    *(process(engine, rows, stream_id=name) for name, rows in series.items())
                )
                return dict(zip(series, answers, strict=True))
            finally:
                await engine.close()

        for name, found in run(scenario()).items():
            assert_same_verdicts(found, uninterrupted(series[name], found["model_version"]))

    def test_a_refused_row_leaves_no_trace(self, tmp_path: Path) -> None:
        rows = stream(80)
        bad = rows[:3].copy()
        bad[2, 1] = np.nan

        async def scenario() -> np.ndarray:
            engine = engine_at(tmp_path)
            await engine.start()
            try:
                with pytest.raises(DataError) as caught:
                    await score(engine, "pump", bad)
                assert (caught.value.row, caught.value.column) == (2, 1)
                with pytest.raises(UnknownStreamError):
                    await engine.info("pump")
                found = []
                for row in rows:
                    found.append(await score(engine, "pump", row[None]))
                    with pytest.raises(DataError):
                        await score(engine, "pump", bad)
                    with pytest.raises(DataError):
                        await score(engine, "pump", rows[:1, :2])
                return np.concatenate(found)
            finally:
                await engine.close()

        found = run(scenario())
        assert_same_verdicts(found, uninterrupted(rows, found["model_version"]))

    def test_contradicting_settings_are_refused(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            engine = engine_at(tmp_path)
            await engine.start()
            try:
                await score(engine, "pump", stream(3))
                await score(engine, "pump", stream(3), given={"min_samples": 20})
                with pytest.raises(SettingsConflictError) as caught:
                    await score(
                        engine, "pump", stream(3), given={"min_samples": 30, "backend": "hbos"}
                    )
                assert caught.value.differences == {
                    "min_samples": {"given": 30, "has": 20},
                    "backend": {"given": "hbos", "has": "ecod"},
                }
                info = await engine.info("pump")
                assert info["stats"]["total_processed"] == 6
                with pytest.raises(ConfigurationError) as refused:
                    await score(engine, "new", stream(3), settings=SETTINGS | {"backend": "none"})
                assert refused.value.field == "backend"
                assert set(await engine.infos()) == {"pump"}
            finally:
                await engine.close()

        run(scenario())

    def test_streams_are_limited(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            engine = engine_at(tmp_path, max_streams=2)
            await engine.start()
            try:
                for name in "ab":
                    await score(engine, name, stream(1))
                with pytest.raises(LimitError, match="as many as there may be"):
                    await score(engine, "c", stream(1))
                await score(engine, "a", stream(1))
                await engine.remove("a")
                await score(engine, "c", stream(1))
            finally:
                await engine.close()

        run(scenario())


class TestLifecycle:
    def test_reset_and_removal(self, tmp_path: Path) -> None:
        rows = stream(60)

        async def scenario() -> None:
            engine = engine_at(tmp_path)
            await engine.start()
            try:
                await process(engine, rows)
                await settle(engine, "pump")
                info = await engine.reset("pump")
                assert info["stats"]["status"] == "collecting"
                assert info["stats"]["total_processed"] == 0
                found = await process(engine, rows)
                assert_same_verdicts(found, uninterrupted(rows, found["model_version"]))
                await engine.remove("pump")
                for what in (engine.info, engine.reset, engine.remove):
                    with pytest.raises(UnknownStreamError):
                        await what("pump")
                found = await process(engine, rows[:, :2])
                assert_same_verdicts(found, uninterrupted(rows[:, :2], found["model_version"]))
            finally:
                await engine.close()

        run(scenario())

    def test_a_stream_that_left_the_memory_comes_back(self, tmp_path: Path) -> None:
        rows = stream(200)

        async def scenario() -> np.ndarray:
            engine = engine_at(tmp_path, idle_eviction_seconds=0.05)
            await engine.start()
            try:
                found = [await process(engine, rows[:100])]
                await settle(engine, "pump")
                while engine._pipeline.streams()[0].is_loaded:
                    await asyncio.sleep(0.05)
                listed = (await engine.infos())["pump"]
                assert listed["stats"]["total_processed"] == 100
                assert not engine._pipeline.streams()[0].is_loaded  # looking does not load it
                found.append(await process(engine, rows[100:]))
                return np.concatenate(found)
            finally:
                await engine.close()

        found = run(scenario())
        assert_same_verdicts(found, uninterrupted(rows, found["model_version"]))


class TestRestart:
    @pytest.mark.parametrize("is_killed", [True, False])
    @pytest.mark.parametrize("cut", [1, 19, 20, 21, 46, 137])
    def test_goes_on_at_every_place(self, tmp_path: Path, cut: int, is_killed: bool) -> None:
        rows = stream(200)

        async def scenario() -> np.ndarray:
            first = engine_at(tmp_path / "first")
            await first.start()
            try:
                found = [await process(first, rows[:cut])]
                if is_killed:
                    left = crash(tmp_path / "first", tmp_path / "second")
            finally:
                await first.close()
            second = engine_at(left if is_killed else tmp_path / "first")
            await second.start()
            try:
                info = await second.info("pump")
                assert info["stats"]["total_processed"] == cut
                found.append(await process(second, rows[cut:]))
                return np.concatenate(found)
            finally:
                await second.close()

        found = run(scenario())
        assert_same_verdicts(found, uninterrupted(rows, found["model_version"]))

    @pytest.mark.parametrize("n_damaged", [1, 2])
    def test_a_damaged_snapshot_is_put_aside(self, tmp_path: Path, n_damaged: int) -> None:
        rows = stream(200)

        async def scenario() -> np.ndarray:
            first = engine_at(tmp_path)
            await first.start()
            found = [await process(first, rows[:150])]
            await settle(first, "pump")
            await first.close()
            with sqlite3.connect(tmp_path / "freshet.sqlite") as connection:
                connection.execute(
                    "UPDATE snapshots SET data = zeroblob(length(data)) WHERE sequence IN"
                    " (SELECT sequence FROM snapshots ORDER BY sequence DESC LIMIT ?)",
                    (n_damaged,),
                )
            second = engine_at(tmp_path)
            await second.start()
            try:
                found.append(await process(second, rows[150:]))
                assert len(second.journal.query("SELECT * FROM quarantine")) == n_damaged
                metric = second._metrics.registry.get_sample_value(
                    "freshet_snapshots_quarantined_total"
                )
                assert metric == n_damaged
                return np.concatenate(found)
            finally:
                await second.close()

        found = run(scenario())
        if n_damaged == 1:
            assert_same_verdicts(found, uninterrupted(rows, found["model_version"]))
        else:  # Rebuilt from the rows kept: it scores on, with models of its own.
            assert found["scored"][150:].all()
            assert found["index"][-1] == 199

    def test_a_failing_journal_acknowledges_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rows = stream(120)

        async def scenario() -> np.ndarray:
            engine = engine_at(tmp_path)
            await engine.start()
            write = engine.journal.write

            def fail(changes: Any) -> None:
                raise StoreError("the disk is full", id="store_unavailable")

            try:
                found = [await process(engine, rows[:50])]
                monkeypatch.setattr(engine.journal, "write", fail)
                for _ in range(5):
                    with pytest.raises(StoreError, match="disk is full"):
                        await score(engine, "pump", rows[50:52])
                with pytest.raises(StoreError):
                    await score(engine, "new", rows[:1])
                monkeypatch.setattr(engine.journal, "write", write)
                with pytest.raises(UnknownStreamError):
                    await engine.info("new")
                found.append(await process(engine, rows[50:]))
                return np.concatenate(found)
            finally:
                await engine.close()

        found = run(scenario())
        assert_same_verdicts(found, uninterrupted(rows, found["model_version"]))


def test_predictions_of_batches_are_in_the_journal(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        engine = engine_at(tmp_path)
        await engine.start()
        try:
            await engine.log_predictions(
                stream_id="model",
                mode="batch",
                columns=["a"],
                values=np.array([[1.0], [2.0]]),
                scores=np.array([0.25, 0.75]),
                raw_scores=np.array([1.5, 2.5]),
                is_anomaly=np.array([False, True]),
                threshold=0.5,
                model_version="v1",
                received_at=1.0,
            )
            row = engine.journal.query(
                "SELECT mode, n_rows, n_anomalies, max_score, bundle, results FROM journal"
            )
            assert row[0][:5] == ("batch", 2, 1, 0.75, "v1")
            records = np.frombuffer(row[0][5], freshet._core.record_dtype)
            assert records["raw_score"].tolist() == [1.5, 2.5]
            assert set(await engine.infos()) == set()
        finally:
            await engine.close()

    run(scenario())


def test_while_the_log_is_full_nothing_is_predicted(tmp_path: Path) -> None:
    class Log:
        is_full = True
        n_wakes = 0

        def wake(self) -> None:
            self.n_wakes += 1

    async def scenario() -> None:
        engine = engine_at(tmp_path)
        await engine.start()
        engine.log = log = Log()
        try:
            with pytest.raises(StoreError) as caught:
                await score(engine, "pump", stream(1))
            assert caught.value.id == "log_full"
            assert await engine.infos() == {}
            log.is_full = False
            await score(engine, "pump", stream(1))
            assert log.n_wakes >= 1
        finally:
            await engine.close()

    run(scenario())
