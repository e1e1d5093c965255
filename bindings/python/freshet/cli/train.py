"""``freshet train``."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import numpy as np
import typer

from freshet.cli._data import Data, load_dataset, read_file
from freshet.cli._options import Dataset
from freshet.cli._output import as_table
from freshet.cli._progress import losses, showing_training
from freshet.errors import ConfigurationError, DataError, FitError, ModelFileError, about

if TYPE_CHECKING:
    from freshet.cli._config import TrainingConfig
    from freshet.lstm import LSTMAutoencoder

EXAMPLES: Final = (
    "freshet train --config train.yaml",
    "freshet train --config train.yaml --epochs 20 --out models/short",
    "freshet train --dataset nyc_taxi --out models/nyc_taxi",
    "freshet train --data machine.csv --column heat --window 24 --out models/heat",
)


def train(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            metavar="FILE",
            help="YAML or TOML; examples/train.yaml explains its fields.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="FILE",
            help="CSV with the names of the columns; - for standard input.",
        ),
    ] = None,
    dataset: Dataset = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--column",
            metavar="NAME",
            help="What to learn; may come several times. All columns of numbers if not given.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="DIRECTORY", help="The bundle. An older one is replaced."
        ),
    ] = None,
    window: Annotated[int | None, typer.Option("--window", help="Rows per window.")] = None,
    hidden_size: Annotated[
        int | None, typer.Option("--hidden-size", help="Units of each layer.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", help="Passes over the windows, at most.")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option("--learning-rate", help="Of the optimizer.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="Of the first weights and the order of windows.")
    ] = None,
    n_threads: Annotated[
        int | None, typer.Option("--threads", help="As many as there are processors if not given.")
    ] = None,
    percentile: Annotated[
        float | None,
        typer.Option(
            "--percentile",
            min=0.0,
            max=100.0,
            help="Of the training windows' errors, where the threshold goes; 85 if not given.",
        ),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Print a line for each epoch.")
    ] = False,
) -> None:
    """Train an LSTM autoencoder on a series and save it as a bundle.

    Options take precedence over the configuration. On a terminal a bar shows the progress.
    """
    if data is not None and dataset is not None:
        raise typer.BadParameter("expected --data or --dataset, not both", param_hint="--dataset")
    from freshet.cli._config import TrainingConfig, read_config

    settings = (TrainingConfig() if config is None else read_config(config)).overridden(
        data=None if data is None else str(data),
        dataset=dataset,
        columns=columns or None,
        out=None if out is None else str(out),
        window=window,
        hidden_size=hidden_size,
        epochs=epochs,
        learning_rate=learning_rate,
        seed=seed,
        n_threads=n_threads,
        percentile=percentile,
        verbose=verbose or None,
    )
    source, bundle = _required(settings, config)
    model = settings.estimator()
    _require_free(bundle)
    series = (read_file if settings.data else load_dataset)(
        source, settings.columns, settings.stamps()
    )
    began = time.perf_counter()
    _fit(model, series, is_verbose=settings.verbose)
    seconds = time.perf_counter() - began
    model.set_percentile(settings.percentile)
    bundle.parent.mkdir(parents=True, exist_ok=True)
    model.save(bundle)
    typer.echo("\n".join(_summary(model, settings, series, bundle, seconds)))


def _required(settings: TrainingConfig, config: Path | None) -> tuple[str, Path]:
    """Return where the data comes from and where the bundle goes, which have no default."""
    source = settings.data or settings.dataset
    if source and settings.out:
        return source, Path(settings.out)
    field = "out" if source else "data or dataset"
    option = "--out" if source else "--data or --dataset"
    if config is None:
        raise typer.BadParameter("it is needed where there is no --config", param_hint=option)
    raise ConfigurationError(
        f"{config}, {field}: missing, expected here or as {option}",
        id="parameter_out_of_range",
        field=field,
        expected="a value",
    )


def _require_free(bundle: Path) -> None:
    """Find out before the training whether its result may go there."""
    reason = None
    if bundle.is_dir():
        if any(bundle.iterdir()) and not (bundle / "manifest.json").is_file():
            reason = "the directory holds files but no manifest.json"
    elif bundle.exists():
        reason = "it exists and is no directory"
    else:
        parent = next(parent for parent in bundle.absolute().parents if parent.exists())
        if not parent.is_dir():
            reason = f"{parent} is no directory"
        elif not os.access(parent, os.W_OK):
            reason = f"{parent} is write-protected"
    if reason is not None:
        raise ModelFileError(
            f"cannot write {bundle}: {reason}",
            id="file_unwritable",
            field=str(bundle),
            expected="a free name, or a bundle to replace",
        )


def _fit(model: LSTMAutoencoder, series: Data, *, is_verbose: bool) -> None:
    if len(series) < model.window:
        raise FitError(
            f"{series.source} has {len(series)} rows, expected at least {model.window}, the window",
            id="fit_failed",
            field="window",
            expected=f"at least {model.window} rows",
        )
    try:
        with showing_training(is_verbose=is_verbose) as on_progress:
            model.fit(series, on_progress=on_progress)
    except (DataError, FitError) as error:
        raise about(series.source, error) from error


def _summary(
    model: LSTMAutoencoder, settings: TrainingConfig, series: Data, bundle: Path, seconds: float
) -> list[str]:
    history = model.history_
    best = history["best_epoch"]
    has_validation = np.isfinite(history["validation_loss"][best - 1])
    n_windows, n_above = len(model.labels_), int(model.labels_.sum())
    names = ", ".join(series.columns)
    rows = [
        ("trained on", f"{series.source}: {len(series):,} rows of {names}"),
        ("windows", f"{n_windows:,} of {model.window} rows"),
        ("best epoch", f"{best} of {len(history['training_loss'])}"),
        (
            "losses",
            losses(
                history["training_loss"][best - 1],
                history["validation_loss"][best - 1] if has_validation else None,
            ),
        ),
        ("threshold", f"{model.threshold_:.6g}, percentile {settings.percentile:g} of the errors"),
        ("above it", f"{n_above:,} training windows, {n_above / n_windows:.1%}"),
        ("bundle", str(bundle)),
        ("seconds", f"{seconds:.1f}"),
    ]
    return [line.rstrip() for line in as_table(rows)]
