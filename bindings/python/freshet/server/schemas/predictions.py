"""Questions to the log of predictions, and its answers."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from freshet.server.prediction_log.export import Format
from freshet.server.prediction_log.finding import CURSOR_PATTERN, LATEST, Search, read_cursor
from freshet.server.prediction_log.records import Key, Label, Mode, to_microseconds
from freshet.server.schemas.streams import StreamName

__all__ = ["ExportQuery", "PredictionItem", "PredictionPage", "PredictionQuery"]


def _microseconds(moment: datetime | None) -> int | None:
    """Return a time as the log has it; one that says no zone is in UTC."""
    if moment is None:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return min(max(to_microseconds(moment), 0), LATEST)


class _Question(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    stream_id: StreamName | None = Field(None, description="Only those of this stream or model.")
    label: Label | None = Field(None, description="Only those with this label.")
    mode: Mode | None = Field(None, description="Only those of streams, or of batches.")
    since: datetime | None = Field(
        None, description="Only those made at this time or later; in UTC unless it says otherwise."
    )
    until: datetime | None = Field(None, description="Only those made before this time.")
    min_score: float | None = Field(None, description="Only those with at least this score.")
    model_version: int | None = Field(
        None, ge=0, le=2**63 - 1, description="Only those of the stream's model of this version."
    )
    bundle: StreamName | None = Field(
        None, description="Only those of the bundle, or the saved model, of this version."
    )

    def search(self, prefixes: tuple[str, ...] | None) -> Search:
        """Return what is asked for, among streams whose names begin with one of the prefixes."""
        return Search(
            stream_id=self.stream_id,
            prefixes=prefixes,
            label=self.label,
            mode=self.mode,
            since=_microseconds(self.since),
            until=_microseconds(self.until),
            min_score=self.min_score,
            model_version=self.model_version,
            bundle=self.bundle,
        )


class PredictionQuery(_Question):
    """Which predictions to list."""

    order: Literal["asc", "desc"] = Field("desc", description="desc: the latest first.")
    limit: int = Field(100, ge=1, le=1_000, description="Predictions of one answer, at most.")
    cursor: str | None = Field(
        None,
        pattern=CURSOR_PATTERN,
        max_length=4_000,
        description="next_cursor of the answer that this one is to follow.",
    )

    @property
    def after(self) -> Key | None:
        """The prediction that the first one is to follow."""
        return None if self.cursor is None else read_cursor(self.cursor)


class ExportQuery(_Question):
    """Which predictions to export."""

    order: Literal["asc", "desc"] = Field("asc", description="asc: the oldest first.")
    format: Format = Field("csv", description="CSV with a line of names, or JSON lines.")


class PredictionItem(BaseModel):
    """The verdict on one row, with what it is about."""

    timestamp: datetime = Field(
        description="When the request came, in UTC, or the last of those whose points of a stream "
        "were scored together."
    )
    stream_id: str = Field(description="The stream, or the model of a batch.")
    index: int = Field(
        description="The row's position in the stream since its start or last reset, or in the "
        "batch."
    )
    mode: Mode
    label: Label
    score: float | None = Field(description="null in warm-up.")
    raw_score: float | None = Field(description="The backend's own score.")
    threshold: float | None = Field(description="Scores above it are anomalies.")
    model_version: int = Field(description="Of the stream's model; 0 in warm-up.")
    bundle: str | None = Field(
        description="The version of the bundle or the saved model, unless the stream trained it."
    )
    row_timestamp: float | None = Field(
        description="What the request said of the row's time, in seconds since 1970."
    )
    values: dict[str, Any] = Field(description="The row, by column.")
    incarnation: str = Field(
        description="Which of the streams that had this name one after another, or which batch."
    )


class PredictionPage(BaseModel):
    """Some of the predictions asked for."""

    object: Literal["list"] = "list"
    data: list[PredictionItem]
    next_cursor: str | None = Field(
        description="For the next answer; null if there is none. An answer may be short, or "
        "empty, before the last one where looking further takes long."
    )
