"""The figures of the LSTM autoencoder: freshet, plain Eigen and, where it is installed, PyTorch."""

from __future__ import annotations

import functools
import json
import os
import shutil
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from figure import Figure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HIDDEN_SIZES = (64, 32, 16)
ONE_WINDOW_AT_MOST_US = {64: 65.0, 16: 6.5}
N_STEPS = 48
N_THREADS = (1, 2)
CHUNK_SIZES = (8, 16, 24, 32, 64)
CHUNK_SIZE = 24  # what LstmAutoencoder's models take
INSTRUCTION_SETS = ("avx512", "avx2", "baseline")
TORCH_SIDE = Path(__file__).with_name("torch_side.py")


@dataclass(frozen=True)
class Measurements:
    """What took how long, in ns. The best of all rounds counts, on every side."""

    raw: dict[str, Any]
    """Of every case, as the programs name them, the time of every round."""

    def best_ns(self, case: str) -> float:
        """Return the least mean time of a case of lstm.cpp."""
        return min(self.raw["freshet"][case])

    def median_ns(self, case: str) -> float:
        """Return the median of the rounds: how much busier the machine mostly was."""
        return statistics.median(self.raw["freshet"][case])

    def torch_ns(self, case: str, n_threads: int) -> float | None:
        """Return the least mean time of a case of torch_side.py; None without PyTorch."""
        rounds = self.raw["torch"].get(f"{case}/{n_threads}")
        return min(rounds) if rounds else None

    @property
    def torch_name(self) -> str:
        """PyTorch's version and what it multiplies matrices with."""
        return self.raw["torch_name"]

    @property
    def instruction_set(self) -> str:
        """The one that freshet chose."""
        return self.raw["instruction_set"]

    def one_ns(self, hidden_size: int) -> float:
        """Return the time of one window, its sizes known at run time only."""
        return self.best_ns(f"one/{hidden_size}/{self.instruction_set}")

    def many_ns(self, hidden_size: int, n_threads: int, chunk_size: int = CHUNK_SIZE) -> float:
        """Return the time per window of 256."""
        return self.best_ns(f"many/{hidden_size}/{n_threads}/{chunk_size}")

    def least_ns(self, hidden_size: int) -> float:
        """Return what the recurrences' multiply-adds alone take on one core.

        Two LSTMs, whose four gates multiply all units by all units in every step.
        """
        return N_STEPS * 2 * 4 * hidden_size**2 * self.best_ns("multiply_add")


def measure(program: Callable[..., str], *, quick: bool) -> Measurements:
    """Measure the sides in turns, so that a change of the machine's pace hits all of them.

    `program` is freshet_lstm_benchmarks: given its arguments, it returns what that prints.
    """
    raw: dict[str, Any] = {"freshet": {}, "torch": {}, "torch_name": ""}
    torch_python = next(_pythons_with_torch(), None)
    for _ in range(2 if quick else 5):
        report = json.loads(program("3" if quick else "10", "3"))
        raw["instruction_set"] = report["instruction_set"]
        for case, rounds in report["rounds_ns"].items():
            raw["freshet"].setdefault(case, []).extend(rounds)
        if torch_python is None:
            continue
        for n_threads in N_THREADS:
            report = _run_torch(torch_python, n_threads, "1" if quick else "2", "40")
            raw["torch_name"] = f"PyTorch {report['version']} with {report['blas']}"
            for case, value in report["best_ns"].items():
                raw["torch"].setdefault(f"{case}/{n_threads}", []).append(value)
    return Measurements(raw)


def _pythons_with_torch() -> Iterator[str]:
    chosen = (os.environ.get("FRESHET_TORCH_PYTHON"), sys.executable, "python3", "/usr/bin/python3")
    for candidate in filter(None, chosen):
        python = shutil.which(candidate)
        if python is None:
            continue
        answer = subprocess.run([python, "-c", "import torch"], check=False, capture_output=True)
        if answer.returncode == 0:
            yield python


def _run_torch(python: str, n_threads: int, *arguments: str) -> dict[str, Any]:
    # Some of what PyTorch calls counts its threads by itself.
    variables = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environment = os.environ | dict.fromkeys(variables, str(n_threads))
    command = [python, str(TORCH_SIDE), str(n_threads), *arguments]
    text = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    report: dict[str, Any] = json.loads(text.stdout)
    return report


def figures() -> list[Figure]:
    """Return the rows of the table; they are given run.py's measurements."""
    table: list[Figure] = []
    for hidden_size in HIDDEN_SIZES:
        table += _one_window(hidden_size)
    for hidden_size in HIDDEN_SIZES:
        table += _many_windows(hidden_size)
    table.append(
        Figure(
            "lstm/training step",
            "ms",
            lambda m: m.lstm.best_ns("training/1") / 1e6,
            note=lambda m: (
                f"2 threads {m.lstm.best_ns('training/2') / 1e6:.2f} ms; "
                f"medians {m.lstm.median_ns('training/1') / 1e6:.2f} "
                f"and {m.lstm.median_ns('training/2') / 1e6:.2f}"
            ),
        )
    )
    table += [
        _against_torch(
            f"lstm/training step against PyTorch, {n_threads} thread{'s' * (n_threads > 1)}",
            "training",
            n_threads,
            functools.partial(_training_ns, n_threads=n_threads),
            at_least=4,
            unit="ms",
        )
        for n_threads in N_THREADS
    ]
    return table


def _training_ns(measured: Measurements, n_threads: int) -> float:
    return measured.best_ns(f"training/{n_threads}")


def _one_window(hidden_size: int) -> list[Figure]:
    def note(m: Any) -> str:
        def us(suffix: str) -> str:
            return f"{m.lstm.best_ns(f'one/{hidden_size}/{suffix}') / 1e3:.2f}"

        chosen = m.lstm.instruction_set
        sets = [
            f"{one} {us(one)}"
            for one in INSTRUCTION_SETS
            if one != chosen and f"one/{hidden_size}/{one}" in m.lstm.raw["freshet"]
        ]
        median = m.lstm.median_ns(f"one/{hidden_size}/{chosen}") / 1e3
        parts = [f"{chosen}, median {median:.2f}", f"fixed sizes {us(chosen + '/fixed')}", *sets]
        return "; ".join(parts) + " µs"

    def plain_ns(m: Any) -> float:
        return m.lstm.best_ns(f"one/{hidden_size}/eigen")

    name = f"lstm/one window, {hidden_size} units"
    return [
        Figure(
            name,
            "µs",
            lambda m: m.lstm.one_ns(hidden_size) / 1e3,
            at_most=ONE_WINDOW_AT_MOST_US.get(hidden_size),
            note=note,
        ),
        Figure(
            f"{name}, against plain Eigen",
            "x",
            lambda m: plain_ns(m) / m.lstm.one_ns(hidden_size),
            note=lambda m: f"Eigen for this machine {plain_ns(m) / 1e3:.2f} µs",
        ),
        _against_torch(
            f"{name}, against PyTorch",
            f"one/{hidden_size}",
            1,
            lambda measured: measured.one_ns(hidden_size),
        ),
    ]


def _many_windows(hidden_size: int) -> list[Figure]:
    def chunks(m: Any) -> str:
        times = {size: m.lstm.many_ns(hidden_size, 1, size) for size in CHUNK_SIZES}
        listed = ", ".join(f"{size}: {ns / 1e3:.2f}" for size, ns in times.items())
        return f"chunks of {CHUNK_SIZE}; by chunk {listed} µs"

    def ratio(m: Any, n_threads: int) -> float:
        return m.lstm.one_ns(hidden_size) / m.lstm.many_ns(hidden_size, n_threads)

    def bound(m: Any) -> str:
        least = m.lstm.least_ns(hidden_size)
        return (
            f"multiply-adds alone {least / 1e3:.2f} µs, which would be "
            f"x{m.lstm.one_ns(hidden_size) / least:.1f}"
        )

    name = f"lstm/256 windows, {hidden_size} units"
    return [
        Figure(
            f"{name}, per window",
            "µs",
            lambda m: m.lstm.many_ns(hidden_size, 1) / 1e3,
            note=chunks,
        ),
        Figure(
            f"{name}, against one alone, 1 thread",
            "x",
            lambda m: ratio(m, 1),
            at_least=4,
            note=bound,
        ),
        Figure(
            f"{name}, against one alone, 2 threads",
            "x",
            lambda m: ratio(m, 2),
            at_least=4,
            note=lambda m: f"{m.lstm.many_ns(hidden_size, 2) / 1e3:.2f} µs per window",
        ),
        _against_torch(
            f"{name}, against PyTorch, 1 thread",
            f"many/{hidden_size}",
            1,
            lambda measured: measured.many_ns(hidden_size, 1),
        ),
    ]


def _against_torch(
    name: str,
    case: str,
    n_threads: int,
    ours_ns: Callable[[Measurements], float],
    *,
    at_least: float | None = None,
    unit: str = "µs",
) -> Figure:
    per_unit = {"µs": 1e3, "ms": 1e6}[unit]

    def measure_ratio(m: Any) -> float | None:
        theirs = m.lstm.torch_ns(case, n_threads)
        return None if theirs is None else theirs / ours_ns(m.lstm)

    def note(m: Any) -> str:
        theirs = m.lstm.torch_ns(case, n_threads)
        if theirs is None:
            return "PyTorch is not installed"
        ours = ours_ns(m.lstm)
        return f"{m.lstm.torch_name} {theirs / per_unit:,.2f} {unit}, freshet {ours / per_unit:.2f}"

    return Figure(name, "x", measure_ratio, at_least=at_least, note=note)
