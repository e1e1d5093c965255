"""``./dev bench``: all figures in one run, in one table, next to what they should be.

The C++ programs have to be built (``./dev bench`` sees to it). PyOD, the pipeline of Polars and
PyOD, and freshet are measured one after the other in this one run on one machine; ratios are never
taken from different runs.
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lstm
import numpy as np
import peer
import python_side
import report
from figure import Figure

if TYPE_CHECKING:
    import argparse

N_TRAINING_ROWS = 1000
N_COLUMNS = 5
PIPELINE: dict[str, Any] = {
    "window_size": 1000,
    "retrain_interval": 100,
    "rolling_windows": [5, 10, 20],
    "lag_periods": [1, 2, 3],
}
BACKENDS = {
    "ecod": "Ecod",
    "copod": "Copod",
    "hbos": "Hbos",
    "loda": "Loda",
    "isolation_forest": "IsolationForest",
    "knn": "Knn",
    "local_outlier_factor": "LocalOutlierFactor",
    "cblof": "Cblof",
    "mcd": "Mcd",
    "one_class_svm": "OneClassSvm",
}


class Measurements:
    """Every measurement, made when it is first asked for and then kept."""

    def __init__(self, build: Path, output: Path, *, quick: bool) -> None:
        self._programs = build / "benchmarks"
        self._output = output
        self._quick = quick
        self.rows = np.random.default_rng(0).standard_normal(
            (22_000 if quick else 102_000, N_COLUMNS)
        )

    def _program(self, name: str, *arguments: str) -> str:
        path = self._programs / name
        if not path.is_file():
            raise SystemExit(f"{path} is not built: run ./dev bench, or build freshet_benchmarks")
        return subprocess.run(
            [str(path), *arguments], check=True, capture_output=True, text=True
        ).stdout

    @functools.cached_property
    def micro_ns(self) -> dict[str, float]:
        """Google Benchmark's medians of real time."""
        raw = self._output / "microbenchmarks.json"
        self._program(
            "freshet_microbenchmarks",
            f"--benchmark_min_time={0.05 if self._quick else 0.3}",
            f"--benchmark_repetitions={3 if self._quick else 7}",
            "--benchmark_report_aggregates_only=true",
            f"--benchmark_out={raw}",
            "--benchmark_out_format=json",
        )
        units = {"ns": 1.0, "us": 1e3, "ms": 1e6}
        return {
            entry["run_name"]: entry["real_time"] * units[entry["time_unit"]]
            for entry in json.loads(raw.read_text(encoding="utf-8"))["benchmarks"]
            if entry["aggregate_name"] == "median"
        }

    @functools.cached_property
    def _rows_file(self) -> Path:
        path = self._output / "rows.f64"
        path.write_bytes(self.rows.tobytes())
        return path

    @functools.cached_property
    def streaming(self) -> dict[str, Any]:
        """Percentiles of ``process``."""
        text = self._program("freshet_streaming", "latencies", str(self._rows_file))
        (self._output / "streaming.json").write_text(text, encoding="utf-8")
        report: dict[str, Any] = json.loads(text)
        return report

    @functools.cached_property
    def memory(self) -> dict[str, Any]:
        """Bytes of a detector."""
        text = self._program("freshet_memory")
        (self._output / "memory.json").write_text(text, encoding="utf-8")
        report: dict[str, Any] = json.loads(text)
        return report

    @functools.cache  # noqa: B019 (one object that lives as long as the program)
    def pyod_row_ns(self, backend: str) -> float:
        """PyOD's ``decision_function`` of one row."""
        return peer.one_row_ns(backend, self.rows, N_TRAINING_ROWS, 30 if self._quick else 300)

    @functools.cache  # noqa: B019
    def pyod_fit_ns(self, backend: str) -> float:
        """PyOD's ``fit``."""
        return peer.fit_ns(backend, self.rows[:N_TRAINING_ROWS], 3 if self._quick else 11)

    @functools.cached_property
    def pipeline_rows_per_second(self) -> float:
        """The pipeline of Polars and PyOD."""
        return peer.pipeline_rows_per_second(self.rows, 100 if self._quick else 500, **PIPELINE)

    @functools.cached_property
    def python_rows_per_second(self) -> float:
        """Our detector from Python, with trainings."""
        return python_side.inline_rows_per_second(self.rows)

    @functools.cached_property
    def lstm(self) -> lstm.Measurements:
        """The LSTM autoencoder's, in C++ and PyTorch."""
        program = functools.partial(self._program, "freshet_lstm_benchmarks")
        measured = lstm.measure(program, quick=self._quick)
        (self._output / "lstm.json").write_text(json.dumps(measured.raw, indent=2), "utf-8")
        return measured

    @functools.cached_property
    def costs_ns(self) -> dict[str, dict[str, float]]:
        """Mean costs of a row by settings: in C++ and from Python, the best of several rounds.

        The sides take turns, so that a change of the machine's pace during the run hits both.
        """
        best: dict[str, dict[str, float]] = {settings: {} for settings in SETTINGS}

        def offer(settings: str, what: str, value: float) -> None:
            best[settings][what] = min(value, best[settings].get(what, value))

        for _ in range(2 if self._quick else 5):
            report = json.loads(self._program("freshet_streaming", "costs", str(self._rows_file)))
            for settings, keywords in SETTINGS.items():
                offer(settings, "process", report["process_ns"][settings])
                offer(settings, "process_many", report["process_many_ns"][settings])
                rows = self.rows
                offer(settings, "list", python_side.process_ns(keywords, rows, as_lists=True))
                offer(settings, "array", python_side.process_ns(keywords, rows, as_lists=False))
                offer(settings, "batch", python_side.process_many_ns(keywords, rows))
        return best


SETTINGS = {"bare": python_side.BARE, "features": python_side.FEATURES}


def figures() -> list[Figure]:
    """Return the rows of the table."""
    table: list[Figure] = []

    def add(*arguments: Any, **keywords: Any) -> None:
        table.append(Figure(*arguments, **keywords))

    def score(m: Measurements, backend: str, width: int = N_COLUMNS) -> float:
        return m.micro_ns[f"score<freshet::{BACKENDS[backend]}>/{width}"]

    def fit(m: Measurements, backend: str, width: int = N_COLUMNS) -> float:
        return m.micro_ns[f"fit<freshet::{BACKENDS[backend]}>/{width}"]

    limits = {
        "ecod": (300, 2000),
        "copod": (300, 2000),
        "hbos": (80, 300),
        "loda": (1000, 500),
        "isolation_forest": (None, None),
        "knn": (None, None),
        "local_outlier_factor": (None, None),
        "cblof": (None, None),
        "mcd": (None, None),
        "one_class_svm": (None, None),
    }
    for name, (at_most, at_least) in limits.items():
        add(f"score/{name}", "ns", functools.partial(score, backend=name), at_most=at_most)
        add(
            f"score/{name} against PyOD",
            "x",
            lambda m, name=name: m.pyod_row_ns(name) / score(m, name),
            at_least=at_least,
            note=lambda m, name=name: f"PyOD {m.pyod_row_ns(name) / 1e3:,.0f} µs",
        )
    for name in BACKENDS:
        add(f"score/{name} of 80 columns", "ns", functools.partial(score, backend=name, width=80))
    for name in ("knn", "local_outlier_factor"):
        add(
            f"score/{name}, drifting rows",
            "ns",
            lambda m, name=name: m.micro_ns[f"score_drifting<freshet::{BACKENDS[name]}>/5"],
            note=lambda m, name=name: "80 columns {:,.0f} ns".format(
                m.micro_ns[f"score_drifting<freshet::{BACKENDS[name]}>/80"]
            ),
        )
    for name in BACKENDS:
        add(
            f"fit/{name}",
            "µs",
            lambda m, name=name: fit(m, name) / 1e3,
            note=lambda m, name=name: (
                f"PyOD {m.pyod_fit_ns(name) / 1e3:,.0f} µs, "
                f"x{m.pyod_fit_ns(name) / fit(m, name):,.0f}; "
                f"80 columns {fit(m, name, 80) / 1e3:,.0f} µs"
            ),
        )
    for window in (10, 100, 1000, 10_000, 100_000):
        add(f"rolling/window {window:,}", "ns", lambda m, w=window: m.micro_ns[f"rolling/{w}"])

    def latency(m: Measurements, mode: str) -> dict[str, float]:
        values: dict[str, float] = m.streaming[mode]["latency_ns"]
        return values

    def percentiles(m: Measurements, mode: str) -> str:
        l = latency(m, mode)  # noqa: E741
        return (
            f"p95 {l['p95'] / 1e3:.2f}, p99 {l['p99'] / 1e3:.2f}, p99.9 {l['p99.9'] / 1e3:,.1f}, "
            f"max {l['max'] / 1e3:,.0f} µs; {m.streaming[mode]['trainings']} trainings"
        )

    for mode, name, at_most in (
        ("background", "process/background, p50", 5.0),
        ("background_paced", "process/background, a row every 50 µs, p50", None),
        ("inline", "process/inline, p50", None),
    ):
        add(
            name,
            "µs",
            lambda m, mode=mode: latency(m, mode)["p50"] / 1e3,
            at_most=at_most,
            note=functools.partial(percentiles, mode=mode),
        )
    add(
        "process/while a training runs, p50",
        "µs",
        lambda m: m.streaming["background_paced"]["latency_while_retraining_ns"]["p50"] / 1e3,
        note=lambda m: "p99 {p99:.2f} µs of {n:,} rows".format(
            p99=m.streaming["background_paced"]["latency_while_retraining_ns"]["p99"] / 1e3,
            n=m.streaming["background_paced"]["latency_while_retraining_ns"]["n"],
        ),
    )
    add(
        "process/inline against Polars and PyOD",
        "x",
        lambda m: m.streaming["inline"]["rows_per_second"] / m.pipeline_rows_per_second,
        at_least=300,
        note=lambda m: (
            f"{m.streaming['inline']['rows_per_second']:,.0f} points/s against "
            f"{m.pipeline_rows_per_second:,.1f}"
        ),
    )
    add(
        "process/inline from Python against Polars and PyOD",
        "x",
        lambda m: m.python_rows_per_second / m.pipeline_rows_per_second,
        note=lambda m: f"{m.python_rows_per_second:,.0f} points/s",
    )
    for name in BACKENDS:
        add(
            f"memory/{name}",
            "KiB",
            lambda m, name=name: m.memory[name]["inline"]["steady_bytes"] / 1024,
            at_most=160 if name == "ecod" else None,
            note=lambda m, name=name: (
                f"while training {m.memory[name]['inline']['peak_bytes'] / 1024:,.0f} KiB inline, "
                f"{m.memory[name]['background']['peak_bytes'] / 1024:,.0f} KiB in the background"
            ),
        )
    for settings in SETTINGS:
        what = "5 columns" if settings == "bare" else "80 features"
        for kind in ("list", "array"):
            add(
                f"python/process of a{'n' * (kind == 'array')} {kind}, {what}, above C++",
                "µs",
                lambda m, s=settings, k=kind: (m.costs_ns[s][k] - m.costs_ns[s]["process"]) / 1e3,
                at_most=2.0,
                note=lambda m, s=settings, k=kind: (
                    f"{m.costs_ns[s][k] / 1e3:.2f} µs against {m.costs_ns[s]['process'] / 1e3:.2f}"
                ),
            )
        add(
            f"python/process_many, {what}, above C++",
            "%",
            lambda m, s=settings: (
                100.0 * (m.costs_ns[s]["batch"] / m.costs_ns[s]["process_many"] - 1.0)
            ),
            at_most=10.0,
            note=lambda m, s=settings: (
                f"{m.costs_ns[s]['batch']:,.0f} ns/row against {m.costs_ns[s]['process_many']:,.0f}"
            ),
        )
    return table + lstm.figures()


def _parse() -> argparse.Namespace:
    parser = report.parser("./dev bench", __doc__)
    parser.add_argument(
        "--build", type=Path, default=report.ROOT / "build" / "release", metavar="FOLDER"
    )
    return parser.parse_args()


def main() -> int:
    options = _parse()
    return report.run(
        figures(),
        lambda: Measurements(options.build, options.output, quick=options.quick),
        report.machine(options.build),
        options,
    )


if __name__ == "__main__":
    sys.exit(main())
