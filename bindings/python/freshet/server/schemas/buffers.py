"""Requests and answers of the buffers' API."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool

from freshet.server.buffers.features import STATISTICS, FeatureSelection, Statistic
from freshet.server.schemas.numbers import AS_INTEGER, Integer
from freshet.server.schemas.streams import StreamName

__all__ = [
    "AppendRequest",
    "AppendResult",
    "BufferCleared",
    "BufferCreated",
    "BufferData",
    "BufferInfo",
    "BufferList",
    "BufferName",
    "BufferRemoved",
    "BufferRequest",
    "FeaturesRequest",
    "Tail",
]


def _check_path_segment(name: str) -> str:
    if "/" in name or name in (".", ".."):
        raise ValueError("expected a name that can be part of a path")
    return name


def _check_distinct(values: list[Any]) -> list[Any]:
    if len(set(values)) < len(values):
        raise ValueError("expected values that differ from each other")
    return values


def _check_rows(data: object) -> object:
    # As a union, errors would name its members.
    if not isinstance(data, (dict, list)):
        raise ValueError("expected an object, or a list of objects or lists")
    return data


BufferName = Annotated[StreamName, AfterValidator(_check_path_segment)]
Tail = Annotated[int, Field(ge=1, description="Return the last rows only, so many.")]
_Periods = Annotated[
    list[Annotated[int, Field(strict=True, ge=1, le=2**24), AS_INTEGER]],
    Field(max_length=32, json_schema_extra={"uniqueItems": True}),
    AfterValidator(_check_distinct),
]

_ROW: Final = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": {"type": ["number", "string", "boolean", "null"]},
}
_DATA_SCHEMA: Final[dict[str, Any]] = {
    "anyOf": [
        _ROW,
        {
            "type": "array",
            "minItems": 1,
            "items": {
                "anyOf": [_ROW, {"type": "array", "minItems": 1, "items": {"type": "number"}}]
            },
        },
    ]
}


class BufferRequest(BaseModel):
    """A buffer to be made."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"buffer_id": "sensor-data", "window_size": 1000}]}
    )

    buffer_id: BufferName = Field(description="What the buffer is to be called.")
    window_size: Integer = Field(1000, ge=10, le=10_000_000, description="Rows that are kept.")


class AppendRequest(BaseModel):
    """Rows for a buffer."""

    model_config = ConfigDict(
        allow_inf_nan=False,
        json_schema_extra={
            "examples": [
                {"buffer_id": "sensor-data", "data": {"temperature": 72.5, "humidity": 45.2}},
                {
                    "buffer_id": "sensor-data",
                    "data": [
                        {"temperature": 72.5, "humidity": 45.2},
                        {"temperature": 73.1, "humidity": 44.8},
                    ],
                },
            ]
        },
    )

    buffer_id: BufferName = Field(description="The buffer.")
    data: Annotated[Any, AfterValidator(_check_rows)] = Field(
        description="A row as an object from column to cell, or a list of rows: objects, or lists "
        "of numbers, whose columns are called f0, f1, … The first row decides which columns there "
        "are, and which of them are numbers.",
        json_schema_extra=_DATA_SCHEMA,
    )


class FeaturesRequest(BaseModel):
    """Rolling features to be computed of the columns of numbers."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "buffer_id": "sensor-data",
                    "rolling_windows": [5, 10],
                    "include_rolling_stats": ["mean", "std"],
                    "include_lags": True,
                    "lag_periods": [1, 2, 3],
                    "tail": 1,
                }
            ]
        }
    )

    buffer_id: BufferName = Field(description="The buffer.")
    rolling_windows: _Periods = Field([5, 10, 20], description="Widths of the windows, in rows.")
    include_rolling_stats: Annotated[list[Statistic], AfterValidator(_check_distinct)] = Field(
        list(STATISTICS),
        max_length=4,
        description="What is computed of each window.",
        json_schema_extra={"uniqueItems": True},
    )
    include_lags: StrictBool = Field(True, description="Whether earlier values are features too.")
    lag_periods: _Periods = Field([1, 2, 3], description="Distances of those, in rows.")
    tail: Annotated[int, Field(strict=True, ge=1), AS_INTEGER] | None = Field(
        None, description="Return the last rows only, so many; all if null."
    )

    @property
    def selection(self) -> FeatureSelection:
        """What is to be computed."""
        return FeatureSelection(
            self.rolling_windows,
            self.include_rolling_stats,
            self.lag_periods if self.include_lags else (),
        )


class BufferCreated(BaseModel):
    """A buffer is there."""

    object: Literal["buffer_created"] = "buffer_created"
    buffer_id: str
    window_size: int
    status: Literal["created"] = "created"


class BufferInfo(BaseModel):
    """A buffer."""

    buffer_id: str
    size: int = Field(description="Rows in it.")
    window_size: int = Field(description="Rows it keeps.")
    columns: list[str]
    numeric_columns: list[str] = Field(description="Those of numbers, which have features.")
    memory_bytes: int = Field(description="What the rows take, with room for further ones.")
    append_count: int = Field(description="Requests that appended rows.")
    avg_append_ms: float = Field(description="The mean time they took, with storing the rows.")


class BufferList(BaseModel):
    """All buffers."""

    object: Literal["list"] = "list"
    data: list[BufferInfo]
    total: int


class AppendResult(BaseModel):
    """Rows are in a buffer, and stored."""

    object: Literal["append_result"] = "append_result"
    buffer_id: str
    appended: int = Field(description="Rows of the request.")
    buffer_size: int = Field(description="Rows in the buffer.")
    avg_append_ms: float


class BufferData(BaseModel):
    """Rows of a buffer."""

    object: Literal["polars_data"] = "polars_data"
    buffer_id: str
    rows: int
    columns: list[str] = Field(
        description="The columns; column by column the rolling features; then the lags."
    )
    data: list[dict[str, float | str | bool | None]] = Field(description="From column to cell.")


class BufferCleared(BaseModel):
    """A buffer has no rows any more, and no columns."""

    object: Literal["buffer_cleared"] = "buffer_cleared"
    buffer_id: str
    size: Literal[0] = 0
    cleared: Literal[True] = True
    status: Literal["cleared"] = "cleared"


class BufferRemoved(BaseModel):
    """A buffer is gone."""

    object: Literal["buffer_deleted"] = "buffer_deleted"
    buffer_id: str
    deleted: Literal[True] = True
    status: Literal["deleted"] = "deleted"
