"""A detector goes on from its snapshot as if nothing had happened."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from typing import Any

import freshet
import numpy as np
import pytest
from freshet import StreamingDetector
from freshet_testing import BACKENDS, same, stream

X = stream(700)

backends = pytest.mark.parametrize(("backend", "params"), BACKENDS)


def make(backend: str, params: dict[str, Any], **more: Any) -> StreamingDetector:
    settings: dict[str, Any] = {
        "min_samples": 50,
        "retrain_interval": 40,
        "window_size": 150,
        "rolling_windows": [3, 10],
        "lag_periods": [2],
        "shingle": 2,
        "scaler": "standard",
        "retrain": "inline",
    }
    return StreamingDetector(backend, backend_params=params, **{**settings, **more})


@backends
def test_cut_anywhere_the_results_are_the_same_to_the_bit(
    backend: str, params: dict[str, Any]
) -> None:
    uncut = make(backend, params).process_many(X)
    cuts = np.random.default_rng(5).integers(1, 699, 20)
    # Before the first row, while collecting, around each training, and anywhere.
    for cut in {0, 1, 48, 49, 50, 51, 89, 90, 91, 150, *cuts.tolist()}:
        detector = make(backend, params)
        if cut:
            detector.process_many(X[:cut])
        restored = StreamingDetector.restore(detector.snapshot())
        assert restored.stats() == detector.stats()
        assert restored.settings == detector.settings
        assert same(restored.process_many(X[cut:]), uncut[cut:])
        # Reading a snapshot does not change what was written.
        assert same(detector.process_many(X[cut:]), uncut[cut:])


@backends
def test_cut_again_and_again(backend: str, params: dict[str, Any]) -> None:
    uncut = make(backend, params).process_many(X[:300])
    detector = make(backend, params)
    results = []
    for row in X[:300]:
        detector = StreamingDetector.restore(detector.snapshot())
        results.append(detector.process(row))
    assert results == list(uncut)


def keep_all_training_threads_busy() -> list[StreamingDetector]:
    """Detectors whose trainings, of some 0.2 s each, are ahead of any that is begun now."""
    busy = []
    for _ in range(max(os.cpu_count() or 2, 2)):
        detector = StreamingDetector(
            "loda",
            backend_params={"n_bins": "auto", "n_random_cuts": 1000},
            min_samples=400,
            retrain_interval=10**6,
        )
        detector.process_many(stream(400))
        detector.retrain()
        busy.append(detector)
    return busy


@backends
def test_cut_while_retraining(backend: str, params: dict[str, Any]) -> None:
    detector = make(backend, params, retrain="background")
    detector.process_many(X[:89])
    busy = keep_all_training_threads_busy()
    assert detector.process(X[89]).status == "retraining"
    detector.process_many(X[90:100])
    data = detector.snapshot()
    restored = [StreamingDetector.restore(data) for _ in range(2)]
    assert [one.stats().status for one in restored] == ["retraining"] * 2
    for one in (detector, *restored):
        one.wait()
        assert one.stats().model_version == 2
    # The training was begun again on the same rows, hence the same model.
    uncut = detector.process_many(X[100:129])
    for one in restored:
        assert same(one.process_many(X[100:129]), uncut)
    for one in busy:
        one.wait()


def test_reset_failed_and_manual_detectors_go_on_too() -> None:
    detector = make("hbos", {}, retrain="manual")
    detector.process_many(X[:100])
    detector.retrain()
    detector.reset()
    detector.process_many(X[:60])
    restored = StreamingDetector.restore(detector.snapshot())
    for one in (detector, restored):
        one.retrain()
    assert same(restored.process_many(X[:50]), detector.process_many(X[:50]))

    close = np.where(np.arange(300) % 2 == 0, 0.0, 1e-310)
    failing = make("hbos", {}, rolling_windows=None, lag_periods=None, shingle=1, scaler=None)
    failing.process_many(X[:60, :1])
    failing.process_many(close[:, None])
    assert failing.stats().failed_retrains > 0
    restored = StreamingDetector.restore(failing.snapshot())
    assert restored.stats() == failing.stats()
    assert same(restored.process_many(X[:200, :1]), failing.process_many(X[:200, :1]))


@backends
def test_copies_and_pickles(backend: str, params: dict[str, Any]) -> None:
    detector = make(backend, params, columns=["a", "b", "c"])
    detector.process_many(X[:120])
    copies = [
        copy.copy(detector),
        copy.deepcopy(detector),
        pickle.loads(pickle.dumps(detector)),
        StreamingDetector.restore(bytearray(detector.snapshot())),  # type: ignore[arg-type]
    ]
    uncut = detector.process_many(X[120:300])
    for one in copies:
        assert one.columns == ("a", "b", "c")
        assert same(one.process_many(X[120:300]), uncut)


def test_time_goes_on() -> None:
    detector = make("ecod", {})
    detector.process(X[0], 100.0)
    restored = StreamingDetector.restore(detector.snapshot())
    with pytest.raises(freshet.DataError):
        restored.process(X[1], 99.0)
    restored.process(X[1], 100.0)


def test_subclasses_stay_what_they_are() -> None:
    class Mine(StreamingDetector):
        pass

    detector = Mine()
    assert type(Mine.restore(detector.snapshot())) is Mine
    assert type(copy.deepcopy(detector)) is Mine


def test_another_process_goes_on() -> None:
    detector = make("ecod", {})
    detector.process_many(X[:120])
    data = detector.snapshot()
    code = (
        "import sys, freshet, numpy as np\n"
        "d = freshet.StreamingDetector.restore(bytes.fromhex(sys.stdin.readline()))\n"
        "X = np.frombuffer(bytes.fromhex(sys.stdin.readline())).reshape(-1, 3)\n"
        "print(d.process_many(X).score.tobytes().hex())\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code],
        input=f"{data.hex()}\n{X[120:300].tobytes().hex()}\n",
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert bytes.fromhex(answer.stdout) == detector.process_many(X[120:300]).score.tobytes()


# ---- damage ----


def snapshot_of(backend: str, params: dict[str, Any]) -> bytes:
    detector = make(backend, params, window_size=60, rolling_windows=[3])
    detector.process_many(X[:70])
    return detector.snapshot()


@backends
def test_every_truncation_is_refused(backend: str, params: dict[str, Any]) -> None:
    data = snapshot_of(backend, params)
    for size in [*range(64), *range(64, len(data), 97), len(data) - 1]:
        with pytest.raises(freshet.SnapshotError):
            StreamingDetector.restore(data[:size])
    for longer in (data + b"\0", data + data):
        with pytest.raises(freshet.SnapshotError):
            StreamingDetector.restore(longer)


@backends
def test_every_flipped_bit_is_refused(backend: str, params: dict[str, Any]) -> None:
    data = snapshot_of(backend, params)
    for bit in [*range(28 * 8), *range(28 * 8, len(data) * 8, 97)]:
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(freshet.SnapshotError) as caught:
            StreamingDetector.restore(bytes(damaged))
        assert caught.value.id.startswith("snapshot_")  # type: ignore[union-attr]


def test_errors_say_what_is_wrong() -> None:
    data = snapshot_of("ecod", {})
    for damaged, id_ in [
        (b"", "snapshot_truncated"),
        (data[:20], "snapshot_truncated"),
        (data[:-1], "snapshot_truncated"),
        (b"PK" + data[2:], "snapshot_corrupt"),
        (data[:8] + bytes([data[8] + 1]) + data[9:], "snapshot_version"),
        (data[:-1] + bytes([data[-1] ^ 1]), "snapshot_corrupt"),
        (np.random.default_rng(0).bytes(1000), "snapshot_corrupt"),
    ]:
        with pytest.raises(freshet.SnapshotError) as caught:
            StreamingDetector.restore(damaged)
        assert caught.value.id == id_


def checksum(state: bytes) -> int:
    """The checksum of the format, so that damage behind it can be tried."""
    mask = 2**64 - 1
    total = (0x9FB21C651E98DF25 ^ len(state)) & mask
    for i in range(0, len(state), 8):
        word = int.from_bytes(state[i : i + 8].ljust(8, b"\0"), "little")
        total ^= word
        total = ((total << 29) | (total >> 35)) & mask
        total = total * 0x9FB21C651E98DF25 & mask
        total ^= total >> 32
    return total


@backends
def test_damage_with_a_correct_checksum_never_crashes(backend: str, params: dict[str, Any]) -> None:
    data = snapshot_of(backend, params)
    header, state = data[:20], data[28:]
    assert data[20:28] == checksum(state).to_bytes(8, "little")
    rng = np.random.default_rng(9)
    n_refused = 0
    for i in range(400):
        damaged = bytearray(state)
        for _ in range(rng.integers(1, 4)):
            place = int(rng.integers(len(state)))
            if i % 2:  # counts, flags and choices are small
                damaged[place] = int(rng.integers(8))
            else:
                damaged[place : place + 8] = rng.bytes(min(8, len(state) - place))
        whole = header + checksum(damaged).to_bytes(8, "little") + bytes(damaged)
        try:
            restored = StreamingDetector.restore(whole)
            restored.process_many(X[:60])  # with a training
            restored.explain(X[0])
            restored.snapshot()
        except freshet.Error:
            n_refused += 1
    assert n_refused > 0
