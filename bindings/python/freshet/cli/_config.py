"""The configuration of a training, from a file."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Annotated, Any, Final, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from freshet.cli._csv import AUTOMATIC, Automatic
from freshet.cli._documents import Document, read_document
from freshet.errors import ConfigurationError
from freshet.lstm import LSTMAutoencoder

__all__ = ["TrainingConfig", "read_config"]

_STRICT: Final = ConfigDict(extra="forbid", strict=True, frozen=True)
_PARAMETERS: Final = inspect.signature(LSTMAutoencoder).parameters
# Places of their own in the file: the window, and the percentile instead of a contamination.
_ELSEWHERE: Final = frozenset({"window", "contamination"})

#: What pydantic's kinds of errors expect, in our words.
_EXPECTED: Final = {
    "string_type": "a text",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "too_short": "at least one",
    "greater_than_equal": "from 0 to 100",
    "less_than_equal": "from 0 to 100",
    "model_type": "fields with values",
    "invalid_key": "a text as the name of a field",
}

if TYPE_CHECKING:
    from pathlib import Path

    ModelConfig = BaseModel
else:
    # From the estimator, so that names, types and defaults stand in one place.
    _HINTS = get_type_hints(LSTMAutoencoder.__init__)
    ModelConfig = create_model(
        "ModelConfig",
        __config__=_STRICT,
        **{
            name: (_HINTS[name], parameter.default)
            for name, parameter in _PARAMETERS.items()
            if name not in _ELSEWHERE
        },
    )


class TrainingConfig(BaseModel):
    """What to train on, what to train and where it goes.

    Attributes
    ----------
    data : str or None
        A CSV file.
    dataset : str or None
        A series of NAB instead.
    columns : list of str or None
        What to learn; by default every column of numbers.
    timestamp_column : str or None
        None for no such column; found by itself if it is not set.
    window : int
        Rows per window.
    model : BaseModel
        The other parameters of `LSTMAutoencoder`, with its defaults.
    percentile : float
        Of the training windows' errors, where the threshold goes.
    out : str or None
        The bundle's directory.
    verbose : bool
        Whether a line is printed for each epoch.
    """

    model_config = _STRICT

    data: str | None = None
    dataset: str | None = None
    columns: Annotated[list[str], Field(min_length=1)] | None = None
    timestamp_column: str | None = None
    window: int = _PARAMETERS["window"].default
    model: ModelConfig = Field(default_factory=ModelConfig)
    percentile: float = Field(default=85.0, ge=0.0, le=100.0)
    out: str | None = None
    verbose: bool = False

    def stamps(self) -> str | Automatic | None:
        """Return the column of timestamps as `read_series` takes it."""
        is_set = "timestamp_column" in self.model_fields_set
        return self.timestamp_column if is_set else AUTOMATIC

    def estimator(self) -> LSTMAutoencoder:
        """Return the estimator to train; ConfigurationError if a parameter is out of range."""
        return LSTMAutoencoder(window=self.window, **self.model.model_dump())

    def overridden(self, **options: Any) -> TrainingConfig:
        """Return a copy with those options, of this or of the model, that are not None."""
        given = {name: value for name, value in options.items() if value is not None}
        # One source takes the place of the other.
        if "data" in given or "dataset" in given:
            given = {"data": None, "dataset": None} | given
        fields = type(self.model).model_fields
        of_model = {name: given.pop(name) for name in list(given) if name in fields}
        return self.model_copy(update=given | {"model": self.model.model_copy(update=of_model)})


def read_config(path: Path) -> TrainingConfig:
    """Read and check a file; ``data`` comes back relative to the current directory.

    Parameters
    ----------
    path : Path
        TOML or YAML with the fields of `TrainingConfig`. Relative ``data`` is relative to it.

    Raises
    ------
    ConfigurationError
        If it is no such file. The message has a line for every field that is wrong, with the file,
        its line (in YAML), the field and what was expected.
    OSError
        If the file cannot be read.
    """
    document = read_document(path, f"fields of {', '.join(TrainingConfig.model_fields)}")
    try:
        config = TrainingConfig.model_validate(document.fields)
    except ValidationError as error:
        wrong = sorted(error.errors(), key=lambda one: document.line(one["loc"]) or 0)
        problems = [_problem(document, dict(one)) for one in wrong]
        raise ConfigurationError(
            "\n".join(str(problem) for problem in problems),
            id=problems[0].id,
            field=problems[0].field,
            expected=problems[0].expected,
        ) from error
    _check(document, config)
    if config.data is None:
        return config
    return config.model_copy(update={"data": str(path.parent / config.data)})


def _check(document: Document, config: TrainingConfig) -> None:
    """Check what concerns several fields, and the ranges, which the estimator knows."""
    if config.data is not None and config.dataset is not None:
        raise ConfigurationError(
            f"{document.place(('dataset',))}: data is given too, expected one of the two",
            id="parameter_out_of_range",
            field="dataset",
            expected="data or dataset",
        )
    try:
        config.estimator()
    except ConfigurationError as error:
        field = error.field or ""
        location = (field,) if field in TrainingConfig.model_fields else ("model", field)
        value = config.window if field == "window" else getattr(config.model, field, None)
        raise ConfigurationError(
            f"{document.place(location)}: {value!r}, expected {error.expected}",
            id=error.id,
            field=".".join(location),
            expected=error.expected,
        ) from error


def _problem(document: Document, found: dict[str, Any]) -> ConfigurationError:
    """Return what pydantic found wrong with a field."""
    location: tuple[str | int, ...] = found["loc"]
    field = ".".join(map(str, location))
    where = document.place(location)
    if found["type"] == "extra_forbidden":
        fields = ModelConfig.model_fields if location[0] == "model" else TrainingConfig.model_fields
        expected = f"one of {', '.join(fields)}"
        return ConfigurationError(
            f"{where}: there is no such field, expected {expected}",
            id="parameter_unknown",
            field=field,
            expected=expected,
        )
    is_type = found["type"].endswith("_type")
    expected = _EXPECTED.get(found["type"]) or found["msg"].removeprefix("Input should be ")
    return ConfigurationError(
        f"{where}: {found['input']!r:.60}, expected {expected}",
        id="parameter_type" if is_type else "parameter_out_of_range",
        field=field,
        expected=expected,
    )
