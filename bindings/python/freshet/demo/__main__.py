"""``python -m freshet.demo``: find the anomalies in New York's taxi rides."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from freshet.datasets import DatasetError, load_nab

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from freshet.lstm import TrainingProgress

_BACKENDS = ("hbos", "ecod", "copod", "loda")
_PROGRESS_STEP = 100


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; return the exit status."""
    options = _parse(arguments)
    try:
        import matplotlib as _  # noqa: F401 (found out before the work, not after it)
    except ImportError:
        print("the demo needs more packages: pip install 'freshet[demo]'", file=sys.stderr)
        return 1
    from freshet.demo import evaluation, pipeline, reconstruction, report

    try:
        dataset = load_nab("nyc_taxi", when_unavailable="simulate", seed=options.seed)
    except DatasetError as error:
        print(f"freshet.demo: {error}", file=sys.stderr)
        return 1
    if dataset.is_simulated:
        print(
            "No nyc_taxi.csv in $FRESHET_DATA or the cache, and none could be downloaded: this run "
            "streams SIMULATED data.",
            file=sys.stderr,
        )
    bundle = options.out.with_suffix(".bundle")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    training_seconds = 0.0
    if options.model == "lstm":
        with _training_progress() as on_progress:
            training_seconds = reconstruction.train(dataset, options.seed, bundle, on_progress)
    with _progress(f"streaming {dataset.name}", len(dataset)) as advance:
        began = time.perf_counter()
        if options.model == "lstm":
            run = reconstruction.run(dataset, bundle, training_seconds, advance)
        else:
            run = pipeline.run(dataset, options.backend, options.seed, advance)
        seconds = time.perf_counter() - began

    result = report.Report(
        dataset=dataset,
        backend="lstm_autoencoder" if options.model == "lstm" else options.backend,
        seed=options.seed,
        run=run,
        evaluation=evaluation.evaluate(dataset, run),
        seconds=seconds,
    )
    verdicts = options.out.with_suffix(".csv")
    report.write_verdicts(result, verdicts)
    report.to_figure(result).savefig(options.out)
    picture = str(options.out)
    if options.json:
        print(json.dumps(report.to_dict(result, picture), indent=2, allow_nan=False))
    else:
        print(report.to_text(result, picture))
        print(f"verdicts      {verdicts}")
        if _is_watched() and not options.no_dashboard:
            _show(verdicts)
    return 0


def _is_watched() -> bool:
    """Whether a person sits in front of it."""
    has_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    return has_terminal and os.environ.get("CI", "") in ("", "false", "0")


def _show(verdicts: Path) -> None:
    """Show the verdicts in a browser until the person has seen enough."""
    try:
        from freshet.dashboard.options import Options
        from freshet.dashboard.running import run
    except ImportError:
        print("(pip install 'freshet[dashboard]' shows them in a browser)")
        return
    print("\nThe dashboard opens in your browser; Ctrl+C ends it.")
    run(Options(file=str(verdicts)), host="127.0.0.1", port=0, api_key=None, has_browser=True)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m freshet.demo",
        description=(
            "Streams seven months of New York's taxi rides (NAB's nyc_taxi) point by point through "
            "a detector, holds what it finds against NAB's labels and plots it. The series comes "
            "from $FRESHET_DATA (a copy of NAB), else from a cache that one checked download "
            "fills; without a network a simulated series takes its place, and the report says so."
        ),
    )
    parser.add_argument(
        "--model",
        choices=("rows", "lstm"),
        default="rows",
        help="what looks at the rides: a backend for rows that is trained anew every week, or an "
        "LSTM autoencoder that is trained once, saved as a bundle beside the plot and loaded from "
        "there (default: %(default)s)",
    )
    parser.add_argument(
        "--backend",
        choices=_BACKENDS,
        default=_BACKENDS[0],
        help="for rows (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="of loda's projections, the LSTM's weights and the simulated series "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="where the plot goes (default: demo-output/nyc_taxi.png, with --model lstm "
        "demo-output/nyc_taxi_lstm.png)",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument(
        "--no-dashboard",
        action="store_true",
        help="do not open the dashboard, which otherwise a run in a terminal ends with",
    )
    options = parser.parse_args(arguments)
    if options.seed < 0:
        parser.error("--seed must not be negative")
    if options.out is None:
        name = "nyc_taxi_lstm.png" if options.model == "lstm" else "nyc_taxi.png"
        options.out = Path("demo-output") / name
    return options


@contextmanager
def _progress(what: str, total: int) -> Iterator[Callable[[], None]]:
    """Yield what to call after each point: a progress bar's step on a terminal, else nothing."""
    with _bar(what, total) as update:
        n_done = 0

        def advance() -> None:
            nonlocal n_done
            n_done += 1
            if n_done % _PROGRESS_STEP == 0 or n_done == total:
                update(n_done, total)

        yield advance


@contextmanager
def _training_progress() -> Iterator[Callable[[TrainingProgress], None]]:
    """Yield what to call after each step of a training."""
    with _bar("training", 1) as update:

        def on_progress(progress: TrainingProgress) -> None:
            n_done = (progress.epoch - 1) * progress.n_batches + progress.batch
            update(n_done, progress.n_epochs * progress.n_batches)

        yield on_progress


@contextmanager
def _bar(what: str, total: int) -> Iterator[Callable[[int, int], None]]:
    """Yield what to call with steps done and steps in all; it shows a bar on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    try:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )
    except ImportError:
        yield lambda _done, _total: None
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done, total: progress.update(task, completed=done, total=total)


if __name__ == "__main__":
    sys.exit(main())
