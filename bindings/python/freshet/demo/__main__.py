"""``python -m freshet.demo``: find the anomalies in New York's taxi rides."""

from __future__ import annotations

import argparse
import json
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from freshet.datasets import DatasetError, load_nab

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from freshet.datasets import Dataset

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
    from freshet.demo import evaluation, pipeline, report

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
    with _progress(dataset) as advance:
        began = time.perf_counter()
        run = pipeline.run(dataset, options.backend, options.seed, advance)
        seconds = time.perf_counter() - began

    result = report.Report(
        dataset=dataset,
        backend=options.backend,
        seed=options.seed,
        run=run,
        evaluation=evaluation.evaluate(dataset, run),
        seconds=seconds,
    )
    options.out.parent.mkdir(parents=True, exist_ok=True)
    report.to_figure(result).savefig(options.out)
    picture = str(options.out)
    if options.json:
        print(json.dumps(report.to_dict(result, picture), indent=2, allow_nan=False))
    else:
        print(report.to_text(result, picture))
    return 0


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
        "--backend", choices=_BACKENDS, default=_BACKENDS[0], help="default: %(default)s"
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="of loda's projections and of the simulated series (default: %(default)s)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("demo-output") / "nyc_taxi.png",
        metavar="FILE",
        help="where the plot goes (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    options = parser.parse_args(arguments)
    if options.seed < 0:
        parser.error("--seed must not be negative")
    return options


@contextmanager
def _progress(dataset: Dataset) -> Iterator[Callable[[], None]]:
    """Yield what to call after each point: a progress bar's step on a terminal, else nothing."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    try:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
        )
    except ImportError:
        yield lambda: None
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(f"streaming {dataset.name}", total=len(dataset))
        n_done = 0

        def advance() -> None:
            nonlocal n_done
            n_done += 1
            if n_done % _PROGRESS_STEP == 0 or n_done == len(dataset):
                progress.update(task, completed=n_done)

        yield advance


if __name__ == "__main__":
    sys.exit(main())
