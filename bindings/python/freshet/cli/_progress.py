"""What is seen of long work while it runs, on a terminal."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from freshet.lstm import TrainingProgress

__all__ = ["losses", "showing_steps", "showing_training"]


@contextmanager
def showing_training(*, is_verbose: bool) -> Iterator[Callable[[TrainingProgress], None]]:
    """Yield what to call after every step: it moves a bar on a terminal.

    A line for each epoch comes with `is_verbose`. All goes to standard error.
    """
    if not sys.stderr.isatty():
        # Called all the same: only between calls can Ctrl-C end a training.
        yield lambda step: _print_epoch(step, _echo) if is_verbose else None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True, highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        task = bars.add_task("training", total=None)
        validation_loss: float | None = None

        def advance(step: TrainingProgress) -> None:
            nonlocal validation_loss
            if step.validation_loss is not None:  # Known at the end of an epoch.
                validation_loss = step.validation_loss
            bars.update(
                task,
                completed=(step.epoch - 1) * step.n_batches + step.batch,
                total=step.n_epochs * step.n_batches,
                description=f"epoch {step.epoch}/{step.n_epochs}, "
                + losses(step.training_loss, validation_loss),
            )
            if is_verbose:
                _print_epoch(step, bars.console.print)

        yield advance


@contextmanager
def showing_steps(total: int, what: str) -> Iterator[Callable[[int], None]]:
    """Yield what to call with the number of steps done: it moves a bar on a terminal."""
    if total == 0 or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Remaining())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(what, total=total)
        yield lambda done: bars.update(task, completed=done)


def losses(training: float, validation: float | None) -> str:
    """Return the losses of an epoch as people read them."""
    text = f"training loss {training:.4g}"
    return text if validation is None else f"{text}, validation loss {validation:.4g}"


def _print_epoch(step: TrainingProgress, show: Callable[[str], object]) -> None:
    if step.batch == step.n_batches:
        what = losses(step.training_loss, step.validation_loss)
        show(f"epoch {step.epoch}/{step.n_epochs}: {what}, {step.seconds:.1f} s")


def _echo(line: str) -> None:
    typer.echo(line, err=True)
