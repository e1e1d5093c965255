"""Requests and answers of the streaming API."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal, TypeGuard

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    ValidationInfo,
    field_validator,
)
from pydantic.config import JsonDict

from freshet.server.schemas.numbers import AS_INTEGER, Integer, Number

__all__ = [
    "DetectorInfo",
    "DetectorList",
    "Removed",
    "StreamName",
    "StreamRequest",
    "StreamingResult",
    "is_stream_name",
]

#: No control characters: names end up in logs, paths and keys of stores.
_NAME: Final = r"^[^\x00-\x1f\x7f]+$"
_MAX_NAME: Final = 256
StreamName = Annotated[str, Field(min_length=1, max_length=_MAX_NAME, pattern=_NAME)]
_is_name = re.compile(_NAME).fullmatch
#: What all readers of JSON have exactly.
_MAX_COUNT: Final = 2**53 - 1
_Period = Annotated[int, Field(strict=True, ge=1, le=1_000_000), AS_INTEGER]
Encoding = Literal["numeric", "hash", "label", "onehot", "binary", "frequency"]

_EXAMPLE: Final[JsonDict] = {
    "model": "sensor-stream",
    "data": {"temperature": 72.5, "humidity": 45.2, "pressure": 1013.25},
    "backend": "ecod",
    "min_samples": 50,
    "retrain_interval": 100,
    "window_size": 1000,
    "threshold": 0.5,
}
#: The data are looked at by the detector, which knows rows and columns; this is for the document.
_POINT: Final[JsonDict] = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": {"type": ["number", "string", "boolean"]},
}
_DATA_SCHEMA: Final[JsonDict] = {
    "anyOf": [
        _POINT,
        {
            "type": "array",
            "minItems": 1,
            "items": {
                "anyOf": [_POINT, {"type": "array", "minItems": 1, "items": {"type": "number"}}]
            },
        },
    ]
}


def is_stream_name(value: object) -> TypeGuard[str]:
    """Whether a value is a `StreamName`."""
    return type(value) is str and len(value) <= _MAX_NAME and _is_name(value) is not None


class StreamRequest(BaseModel):
    """Points of a stream, and the settings of its detector."""

    model_config = ConfigDict(
        allow_inf_nan=False, populate_by_name=True, json_schema_extra={"examples": [_EXAMPLE]}
    )

    model: StreamName = Field("default-stream", description="The stream's name.")
    data: dict[str, Any] | list[Any] = Field(
        description="A point as an object from column to value, or a list of points: objects, or "
        "lists of numbers, whose columns are called f0, f1, …",
        json_schema_extra=_DATA_SCHEMA,
    )
    backend: str = Field("ecod", description="The detection method; see /v1/ml/anomaly/backends.")
    min_samples: Integer = Field(
        50, ge=10, le=_MAX_COUNT, description="Points before the first training."
    )
    retrain_interval: Integer = Field(
        100, ge=10, le=_MAX_COUNT, description="Points between the beginnings of two trainings."
    )
    window_size: Integer = Field(
        1000, ge=50, le=_MAX_COUNT, description="Points kept for training."
    )
    contamination: Number = Field(
        0.1, gt=0.0, le=0.5, description="The share of anomalies expected."
    )
    normalization: Literal["calibrated", "standardization", "zscore", "raw"] = Field(
        "calibrated", description="How the method's own scores become scores."
    )
    threshold: Number = Field(
        0.5,
        description="Points that score above it are anomalies. From 0 to 1, as scores are, but for "
        "the normalizations zscore and raw.",
    )
    rolling_windows: list[_Period] | None = Field(
        None, max_length=32, description="Widths of rolling statistics, in points."
    )
    include_lags: StrictBool = Field(False, description="Whether earlier values are features too.")
    lag_periods: list[_Period] | None = Field(
        None, max_length=32, description="Distances of those, in points; 1, 2 and 3 if not given."
    )
    encodings: dict[str, Encoding] | None = Field(
        None,
        alias="schema",
        description="How the columns become numbers; those not named are numbers.",
    )

    @field_validator("threshold")
    @classmethod
    def _in_range_of_scores(cls, threshold: float, info: ValidationInfo) -> float:
        is_bounded = info.data.get("normalization", "raw") in ("calibrated", "standardization")
        if is_bounded and not 0.0 <= threshold <= 1.0:
            raise ValueError("expected a number from 0 to 1")
        return threshold


class PointVerdict(BaseModel):
    """The verdict on a point."""

    index: int = Field(description="The point's place in the request, from 0.")
    score: float | None = Field(description="Larger is more abnormal; null in cold start.")
    is_anomaly: bool | None = Field(description="Whether the score is above the threshold.")
    raw_score: float | None = Field(description="The method's own score.")
    samples_until_ready: int = Field(description="Points to come before points are scored.")


class StreamingResult(BaseModel):
    """The verdicts on the points of a request, and the detector after them."""

    object: Literal["streaming_result"] = "streaming_result"
    model: str
    status: Literal["collecting", "ready", "retraining"]
    results: list[PointVerdict]
    model_version: int = Field(description="The active model's, from 1; 0 while there is none.")
    samples_collected: int = Field(description="Points in the window.")
    samples_until_ready: int
    threshold: float
    bundle: str | None = Field(None, description="The version of the bundle that scores it.")


class DetectorInfo(BaseModel):
    """A stream's detector."""

    model_id: str
    backend: str
    status: Literal["collecting", "ready", "retraining"]
    model_version: int
    samples_collected: int = Field(description="Points in the window.")
    total_processed: int = Field(description="Points since the beginning or the last reset.")
    samples_since_retrain: int = Field(description="Points since the last training began.")
    min_samples: int
    retrain_interval: int
    window_size: int
    threshold: float
    is_ready: bool
    bundle: str | None = Field(None, description="The version of the bundle that scores it.")
    failed_retrains: int = Field(0, description="Trainings that failed.")
    last_error: str | None = Field(None, description="Why the last of them failed.")


class DetectorList(BaseModel):
    """All streams' detectors."""

    object: Literal["list"] = "list"
    data: list[DetectorInfo]
    total: int


class Removed(BaseModel):
    """A stream is gone."""

    object: Literal["detector_deleted"] = "detector_deleted"
    model: str
    status: Literal["deleted"] = "deleted"
