"""The options with which commands make a streaming detector."""

from __future__ import annotations

import csv
import inspect
from dataclasses import dataclass, fields
from enum import Enum
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from freshet import _core
from freshet.cli import _completion
from freshet.errors import ConfigurationError
from freshet.streaming import StreamingDetector

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = [
    "DetectorOptions",
    "column_names",
    "named_values",
    "numbers_of_rows",
    "settings_of",
    "with_detector",
]


class Normalization(str, Enum):
    """How raw scores become scores."""

    calibrated = "calibrated"
    standardization = "standardization"
    zscore = "zscore"
    raw = "raw"


class Retrain(str, Enum):
    """Where later models are trained."""

    inline = "inline"
    background = "background"


@dataclass(frozen=True)
class DetectorOptions:
    """What was given on the command line or in its file; None where nothing was."""

    backend: Annotated[
        str | None,
        typer.Option(
            "--backend",
            "-b",
            metavar="NAME",
            autocompletion=_completion.backend_names,
            help="ecod if not given; freshet backends lists them.",
        ),
    ] = None
    columns: Annotated[
        str | None,
        typer.Option(
            "--columns",
            metavar="NAME,NAME,…",
            help="What to look at; every column of numbers if not given.",
        ),
    ] = None
    schema: Annotated[
        list[str] | None,
        typer.Option(
            "--schema",
            metavar="NAME=ENCODING",
            help="A column of categories: hash, label, onehot, binary or frequency; may be "
            "repeated.",
        ),
    ] = None
    rolling: Annotated[
        str | None,
        typer.Option(
            "--rolling",
            metavar="N,N,…",
            help="Rows over which mean, deviation, minimum and maximum become features.",
        ),
    ] = None
    lags: Annotated[
        str | None,
        typer.Option("--lags", metavar="N,N,…", help="How many rows back values become features."),
    ] = None
    shingle: Annotated[
        int | None, typer.Option("--shingle", help="Consecutive rows scored as one vector; 1.")
    ] = None
    contamination: Annotated[
        float | None,
        typer.Option("--contamination", help="The share of anomalies expected; 0.1."),
    ] = None
    min_samples: Annotated[
        int | None, typer.Option("--min-samples", help="Rows before the first training; 50.")
    ] = None
    window_size: Annotated[
        int | None, typer.Option("--window-size", help="Rows kept for training; 1000.")
    ] = None
    retrain_interval: Annotated[
        int | None, typer.Option("--retrain-interval", help="Rows between trainings; 100.")
    ] = None
    retrain: Annotated[
        Retrain | None,
        typer.Option(
            "--retrain",
            help="Whether scoring waits for later trainings (the same result each time) or not.",
        ),
    ] = None
    threshold: Annotated[
        float | None, typer.Option("--threshold", help="Scores above it are anomalies; 0.5.")
    ] = None
    normalization: Annotated[
        Normalization | None,
        typer.Option("--normalization", help="Of scores; calibrated."),
    ] = None
    seed: Annotated[int | None, typer.Option("--seed", help="Of every training; 0.")] = None
    given: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Any other setting, or a parameter of the backend (n_bins=20), in YAML; may be "
            "repeated.",
        ),
    ] = None

    def names(self) -> list[str] | None:
        """Return the columns that were asked for."""
        return column_names(self.columns)

    def settings(self) -> dict[str, Any]:
        """Return the arguments of `StreamingDetector` that were given, without the columns.

        Raises
        ------
        typer.BadParameter
            If a text is not what its option takes.
        ConfigurationError
            If there is no such setting.
        """
        given: dict[str, Any] = {
            "backend": self.backend,
            "schema": named_values(self.schema, "--schema") or None,
            "rolling_windows": numbers_of_rows(self.rolling, "--rolling"),
            "lag_periods": numbers_of_rows(self.lags, "--lags"),
            "shingle": self.shingle,
            "contamination": self.contamination,
            "min_samples": self.min_samples,
            "window_size": self.window_size,
            "retrain_interval": self.retrain_interval,
            "retrain": None if self.retrain is None else self.retrain.value,
            "threshold": self.threshold,
            "normalization": None if self.normalization is None else self.normalization.value,
            "seed": self.seed,
        }
        others = named_values(self.given, "--set")
        if "columns" in others:
            raise typer.BadParameter("for columns there is --columns", param_hint="--set")
        return settings_of(
            others | {name: value for name, value in given.items() if value is not None}
        )


def with_detector(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command `DetectorOptions` as its argument `detector`, behind its own options."""
    own = get_type_hints(command, include_extras=True)
    hints = get_type_hints(DetectorOptions, include_extras=True)
    names = [one.name for one in fields(DetectorOptions)]

    @wraps(command)
    def run(**given: Any) -> None:
        options = DetectorOptions(**{name: given.pop(name) for name in names})
        command(detector=options, **given)

    # What Typer makes options of.
    parameters = [
        one.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=own[name])
        for name, one in inspect.signature(command).parameters.items()
        if name != "detector"
    ]
    parameters += [
        inspect.Parameter(
            one.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=hints[one.name]
        )
        for one in fields(DetectorOptions)
    ]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run


def column_names(text: str | None) -> list[str] | None:
    """Return the names between commas; one with a comma is quoted as in CSV."""
    return None if text is None else next(csv.reader([text]), [])


def numbers_of_rows(text: str | None, option: str) -> list[int] | None:
    """Return the numbers between commas."""
    try:
        return None if text is None else [int(one) for one in text.split(",")]
    except ValueError:
        raise typer.BadParameter(
            "expected numbers of rows, for example 5,10,20", param_hint=option
        ) from None


def named_values(
    given: Sequence[str] | None, option: str, shape: str = "NAME=VALUE"
) -> dict[str, Any]:
    """Return the values of NAME=VALUE, which are YAML."""
    values = {}
    for one in given or ():
        name, equals, value = one.partition("=")
        if not (name and equals):
            raise typer.BadParameter(f"expected {shape}, not {one!r}", param_hint=option)
        values[name] = _value(value, option)
    return values


def settings_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return `given` as arguments of `StreamingDetector`, with the backend's parameters below it.

    Raises
    ------
    ConfigurationError
        If a name is neither a setting nor a parameter of the backend, or there is no such backend.
    """
    known = inspect.signature(StreamingDetector).parameters
    others = {name: value for name, value in given.items() if name not in known}
    settings = {name: value for name, value in given.items() if name in known}
    if not others:
        return settings
    backend = given.get("backend", known["backend"].default)
    parameters = _core.default_parameters(backend)
    for name in others:
        if name not in parameters:
            expected = f"one of {', '.join([*known, *parameters])}"
            raise ConfigurationError(
                f"there is no setting {name}, expected {expected}",
                id="parameter_unknown",
                field=name,
                expected=expected,
            )
    return settings | {"backend_params": {**settings.get("backend_params", {}), **others}}


def _value(text: str, option: str) -> Any:
    import yaml

    from freshet.cli._documents import yaml_value

    try:
        return yaml_value(text)
    except yaml.YAMLError as error:
        raise typer.BadParameter(f"{text!r} is no YAML: {error}", param_hint=option) from None
