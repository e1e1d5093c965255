"""Requests and answers of the API of points."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from freshet.server.models.names import NAME_PATTERN
from freshet.server.schemas.streams import StreamName

__all__ = ["PointRequest", "PointResult", "SeriesRequest", "SeriesResult"]

Label = Literal["warmup", "normal", "anomaly"]
_BundleName = Annotated[str, Field(pattern=NAME_PATTERN)]

#: The rows are looked at by the model, which knows the columns; this is for the document.
_NUMBER: Final[dict[str, Any]] = {"type": "number"}
_ROWS: Final[list[Any]] = [
    {"type": "array", "minItems": 1, "items": _NUMBER},
    {"type": "object", "minProperties": 1, "additionalProperties": _NUMBER},
]


def _check_row(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float, list, dict)):
        raise ValueError("expected a number, a list or an object")
    return value


class PointRequest(BaseModel):
    """A point of a stream."""

    model_config = ConfigDict(
        allow_inf_nan=False,
        json_schema_extra={"examples": [{"stream_id": "default", "value": 23.1}]},
    )

    stream_id: StreamName = Field("default", description="The stream's name.")
    value: Annotated[Any, AfterValidator(_check_row)] = Field(
        description="A number; where the bundle has several columns, a list in their order, or an "
        "object by their names.",
        json_schema_extra={"anyOf": [_NUMBER, *_ROWS]},
    )
    timestamp: float | datetime | None = Field(
        None,
        description="When it was measured: seconds since 1970, or a date, in UTC if it does not "
        "say otherwise. Never before that of an earlier point.",
    )
    bundle: _BundleName | None = Field(
        None, description="The bundle that scores it; the service's own if not given."
    )


class PointResult(BaseModel):
    """The verdict on a point."""

    stream_id: str
    label: Label = Field(description="warmup until the stream has as many points as a window.")
    error: float | None = Field(
        description="The error of the reconstruction; larger is more abnormal. Null in warm-up."
    )
    threshold: float = Field(description="Errors above it are anomalies.")
    samples_until_ready: int = Field(description="Points to come before the next one is scored.")
    model_version: str = Field(description="The version of the bundle.")


class SeriesRequest(BaseModel):
    """A series, to be scored as a whole."""

    model_config = ConfigDict(
        allow_inf_nan=False,
        json_schema_extra={"examples": [{"values": [10844.0, 8127.0, 6210.0, 4656.0]}]},
    )

    values: list[Any] = Field(
        min_length=1,
        description="Numbers, at least as many as a window has; where the bundle has several "
        "columns, lists or objects.",
        json_schema_extra={"items": {"anyOf": [_NUMBER, *_ROWS]}},
    )
    stream_id: StreamName = Field("default", description="What the log of predictions calls it.")
    bundle: _BundleName | None = Field(
        None, description="The bundle that scores it; the service's own if not given."
    )


class SeriesResult(BaseModel):
    """The verdicts on the windows of a series."""

    errors: list[float] = Field(description="Of the window that ends at each row, from the first.")
    labels: list[Literal["normal", "anomaly"]]
    threshold: float = Field(description="Errors above it are anomalies.")
    window: int = Field(description="Rows of a window: the first verdict is on row window - 1.")
    model_version: str = Field(description="The version of the bundle.")
