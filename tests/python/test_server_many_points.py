"""Points that are answered together: each as if it had come alone."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine_testing import (
    NOTHING_GIVEN,
    SETTINGS,
    assert_same_verdicts,
    crash,
    engine_at,
    score,
    settle,
    uninterrupted,
)
from freshet._core import record_dtype
from freshet.errors import DataError
from freshet.server.engine import Engine
from freshet.server.engine.events import decode
from freshet.server.engine.streams import Detectors
from freshet_testing import stream

STREAMS = [f"s{i}" for i in range(5)]
COLUMNS = [f"f{i}" for i in range(stream(1).shape[1])]


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many points were answered at once."""
    found: list[int] = []
    answer = Detectors.answer

    def counted(detectors: Detectors, points: Any) -> Any:
        found.append(len(points))
        return answer(detectors, points)

    monkeypatch.setattr(Detectors, "answer", counted)
    return found


async def at_once(engine: Engine, points: list[tuple[str, Any]]) -> list[Any]:
    """Ask for all before the first is looked at."""
    with engine._pipeline._turns:
        asked = [asyncio.ensure_future(score(engine, name, row)) for name, row in points]
        await asyncio.sleep(0.02)
    return await asyncio.gather(*asked, return_exceptions=True)


def test_each_is_what_one_detector_says(tmp_path: Path, sizes: list[int]) -> None:
    series = {name: stream(200, seed=i) for i, name in enumerate(STREAMS)}

    async def scenario() -> dict[str, list[Any]]:
        engine = engine_at(tmp_path / "data")
        await engine.start()
        try:
            found: dict[str, list[Any]] = {name: [] for name in STREAMS}
            for begin in range(0, 200, 10):
                # Ten of each stream, in turn.
                points = [
                    (s, series[s][i : i + 1]) for i in range(begin, begin + 10) for s in STREAMS
                ]
                for (name, _), records in zip(points, await at_once(engine, points), strict=True):
                    found[name].append(records)
                await settle(engine, *STREAMS)
            crash(tmp_path / "data", tmp_path / "copy")
            return found
        finally:
            await engine.close()

    async def again() -> list[dict[str, Any]]:
        engine = engine_at(tmp_path / "copy")
        await engine.start()
        try:
            return [await engine.info(name) for name in STREAMS]
        finally:
            await engine.close()

    found = asyncio.run(scenario())
    assert max(sizes) == 50
    for name, parts in found.items():
        records = np.concatenate(parts)
        assert_same_verdicts(records, uninterrupted(series[name], records["model_version"]))
        assert records["model_version"].max() >= 3
    infos = asyncio.run(again())
    assert [one["stats"]["total_processed"] for one in infos] == [200] * len(STREAMS)
    # The ten that came together are one event.
    assert max(one["sequence"] for one in infos) < 60


def test_those_that_come_together_are_one_entry_with_all_their_verdicts(tmp_path: Path) -> None:
    rows = stream(60)
    other = [*COLUMNS[::-1]]

    async def scenario() -> tuple[list[Any], list[Any], float, float]:
        engine = engine_at(tmp_path)
        await engine.start()
        try:
            await score(engine, "pump", rows[:40])
            await settle(engine, "pump")
            await score(engine, "pump", rows[40:41])
            began = time.time()
            with engine._pipeline._turns:
                asked = [
                    asyncio.ensure_future(score(engine, "pump", rows[i][None])) for i in (41, 42)
                ]
                # Its columns have another order, which the log keeps.
                turned = rows[43][None, ::-1]
                asked.append(asyncio.ensure_future(score(engine, "pump", turned, columns=other)))
                asked.append(asyncio.ensure_future(score(engine, "pump", rows[44][None])))
                await asyncio.sleep(0.02)
            found = await asyncio.gather(*asked)
            ended = time.time()
            logged = engine.journal.query(
                "SELECT event, results, received_at, first_index, n_rows FROM journal"
                " WHERE first_index > 40 ORDER BY id"
            )
            return found, logged, began, ended
        finally:
            await engine.close()

    found, logged, began, ended = asyncio.run(scenario())
    assert [one[3:] for one in logged] == [(41, 2), (43, 1), (44, 1)]
    np.testing.assert_array_equal(
        np.concatenate([np.frombuffer(one[1], record_dtype) for one in logged]),
        np.concatenate(found),
    )
    events = [decode(one[0]) for one in logged]
    assert [list(event.columns) for event in events] == [COLUMNS, other, COLUMNS]
    np.testing.assert_array_equal(events[0].values, rows[41:43])
    np.testing.assert_array_equal(events[1].values, rows[43:44, ::-1])
    for event, one in zip(events, logged, strict=True):
        assert began <= event.received_at == one[2] <= ended


def test_one_that_is_refused_leaves_no_trace(tmp_path: Path, sizes: list[int]) -> None:
    rows = stream(60)
    bad = rows[50:51].copy()
    bad[0, 1] = np.nan

    async def scenario() -> tuple[list[Any], Any]:
        engine = engine_at(tmp_path)
        await engine.start()
        try:
            await score(engine, "pump", rows[:40])
            await settle(engine, "pump")
            before = await score(engine, "pump", rows[40:41])  # what agrees is known from now on
            points = [rows[41:42], bad, rows[42:43], rows[43:44, :2], rows[44:45]]
            found = await at_once(engine, [("pump", row) for row in points])
            assert sizes[-1] == 5
            return found, before
        finally:
            await engine.close()

    found, before = asyncio.run(scenario())
    assert isinstance(found[1], DataError)
    assert found[1].id == "value_non_finite"
    assert isinstance(found[3], DataError)
    good = np.concatenate([before, found[0], found[2], found[4]])
    expected = uninterrupted(rows[[*range(43), 44]], [0] * 20 + [1] * 24)
    assert_same_verdicts(good, expected[40:])


@pytest.mark.parametrize("where", ["answer", "render"])
def test_a_failure_loads_the_streams_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    rows = stream(60)
    answer = Detectors.answer

    def fail(detectors: Detectors, points: Any) -> Any:
        answer(detectors, points)  # All of it has happened, but nobody was told.
        monkeypatch.setattr(Detectors, "answer", answer)
        raise MemoryError

    def render(answer: Any) -> Any:
        raise RuntimeError("broken")

    async def scenario() -> list[Any]:
        engine = engine_at(tmp_path)
        await engine.start()
        try:
            await score(engine, "pump", rows[:40])
            await settle(engine, "pump")
            first = await score(engine, "pump", rows[40:41])
            if where == "answer":
                monkeypatch.setattr(Detectors, "answer", fail)
                failed = await at_once(engine, [("pump", row[None]) for row in rows[41:44]])
                assert [type(one) for one in failed] == [MemoryError] * 3
            else:
                with pytest.raises(RuntimeError, match="broken"):
                    await engine.score(
                        "pump",
                        settings=SETTINGS,
                        given=NOTHING_GIVEN,
                        values=rows[41:42],
                        columns=COLUMNS,
                        render=render,
                    )
            return [first, await score(engine, "pump", rows[42:43])]
        finally:
            await engine.close()

    first, second = asyncio.run(scenario())
    # What was not acknowledged may be there or not, but the verdicts are those of one order.
    kept = rows[[*range(41), 42]] if second["index"][0] == 41 else rows[:43]
    expected = uninterrupted(kept, [0] * 20 + [1] * (len(kept) - 20))
    assert_same_verdicts(np.concatenate([first, second]), expected[[40, -1]])
    assert second.dtype == record_dtype


def test_points_behind_something_else_are_answered_together_too(
    tmp_path: Path, sizes: list[int]
) -> None:
    rows = stream(60)

    async def scenario() -> list[Any]:
        engine = engine_at(tmp_path)
        await engine.start()
        try:
            await score(engine, "pump", rows[:40])
            await settle(engine, "pump")
            await score(engine, "pump", rows[40:41])
            with engine._pipeline._turns:
                looking = asyncio.ensure_future(engine.info("pump"))
                await asyncio.sleep(0)  # It comes first, as the end of a training may.
                asked = [asyncio.ensure_future(score(engine, "pump", rows[[i]])) for i in (41, 42)]
                await asyncio.sleep(0.02)
            assert (await looking)["stats"]["total_processed"] == 41
            return await asyncio.gather(*asked)
        finally:
            await engine.close()

    found = asyncio.run(scenario())
    assert [one["index"].tolist() for one in found] == [[41], [42]]
    assert sizes[-1] == 2


def test_the_end_of_a_training_waits_for_no_point(tmp_path: Path) -> None:
    async def scenario() -> int:
        engine = engine_at(tmp_path)
        await engine.start()
        try:
            await score(engine, "pump", stream(25))
            # Nothing else is asked, that could take it with it.
            held = engine._pipeline.streams()[0]
            end = time.monotonic() + 10
            while held.model_version == 0 and time.monotonic() < end:
                await asyncio.sleep(0.01)
            return held.model_version
        finally:
            await engine.close()

    assert asyncio.run(scenario()) == 1


def test_one_that_cannot_be_read_is_the_only_one_refused(tmp_path: Path) -> None:
    rows = stream(45)

    async def scenario() -> list[Any]:
        engine = engine_at(tmp_path)
        await engine.start()
        try:
            for name in ("a", "b"):
                await score(engine, name, rows[:41])
                await settle(engine, name)
                await score(engine, name, rows[41:42])
            with engine._pipeline._turns:
                bad = asyncio.ensure_future(
                    score(engine, "a", rows[42:43], columns=COLUMNS[:-1])  # one name too few
                )
                good = [asyncio.ensure_future(score(engine, n, rows[42:43])) for n in ("b", "a")]
                await asyncio.sleep(0.02)
            return await asyncio.gather(bad, *good, return_exceptions=True)
        finally:
            await engine.close()

    bad, *good = asyncio.run(scenario())
    assert isinstance(bad, DataError)
    assert [one["index"].tolist() for one in good] == [[42], [42]]


def test_a_training_that_cannot_begin_fails_no_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = stream(60)

    def failing(trainings: Any, stream: Any) -> None:
        raise MemoryError

    async def scenario() -> list[Any]:
        engine = engine_at(tmp_path)
        await engine.start()
        try:
            await score(engine, "pump", rows[:40])
            await settle(engine, "pump")
            await score(engine, "pump", rows[40:41])
            monkeypatch.setattr(engine._pipeline._lane, "_train", failing.__get__(engine))
            found = await at_once(engine, [("pump", row[None]) for row in rows[41:59]])
            monkeypatch.undo()
            found.append(await asyncio.wait_for(score(engine, "pump", rows[59:]), 30))
            await settle(engine, "pump")  # the last row has seen to the training
            return found
        finally:
            await engine.close()

    assert [one["index"][0] for one in asyncio.run(scenario())] == list(range(41, 60))


@pytest.mark.parametrize("durability", ["full", "relaxed"])
def test_what_is_acknowledged_around_a_failure_is_there(tmp_path: Path, durability: str) -> None:
    rows = stream(60)
    n_rendered = 0

    def render(answer: Any) -> Any:
        nonlocal n_rendered
        n_rendered += 1
        if n_rendered == 3:
            raise RuntimeError("broken")
        return answer.position

    async def scenario() -> tuple[list[Any], int]:
        engine = engine_at(tmp_path, durability=durability)
        await engine.start()
        try:
            await score(engine, "pump", rows[:40])
            await settle(engine, "pump")
            await score(engine, "pump", rows[40:41])
            with engine._pipeline._turns:
                asked = [
                    asyncio.ensure_future(
                        engine.score(
                            "pump",
                            settings=SETTINGS,
                            given=NOTHING_GIVEN,
                            values=row[None],
                            columns=COLUMNS,
                            render=render,
                        )
                    )
                    for row in rows[41:46]
                ]
                await asyncio.sleep(0.02)
            found = await asyncio.gather(*asked, return_exceptions=True)
            stats = (await engine.info("pump"))["stats"]
            return found, stats["total_processed"]
        finally:
            await engine.close()

    found, total = asyncio.run(scenario())
    assert isinstance(found[2], RuntimeError)
    places = [one for one in found if isinstance(one, int)]
    assert len(places) >= 2
    assert places == list(range(41, 41 + len(places)))
    assert total == 41 + len(places)
