"""Requests and answers of the batch API."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from freshet.server.models.names import NAME_PATTERN
from freshet.server.models.normalization import Normalization
from freshet.server.models.training import available_backends
from freshet.server.schemas.numbers import Integer, Number
from freshet.server.schemas.streams import Encoding

__all__ = [
    "DetectResult",
    "FitRequest",
    "FitResult",
    "ModelList",
    "ModelRemoved",
    "ModelRequest",
    "SaveResult",
    "ScoreRequest",
    "ScoreResult",
]

ModelName = Annotated[str, Field(pattern=NAME_PATTERN)]

#: For the document; what a request names is looked up when a model is trained.
_BACKENDS: Final[dict[str, Any]] = {"enum": available_backends()}
_POINTS: Final[Any] = [[22.1], [23.5], [21.8], [24.2], [22.7], [23.1], [21.5], [24.8], [22.3]]
#: The data are looked at by the library, which knows rows and columns; this is for the document.
_DATA_SCHEMA: Final[dict[str, Any]] = {
    "items": {
        "anyOf": [
            {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": {"type": ["number", "string", "boolean"]},
            },
            {
                "type": "array",
                "minItems": 1,
                "items": {"type": ["number", "string", "boolean"]},
            },
        ]
    },
    "minItems": 1,
}
_DATA_DESCRIPTION: Final = (
    "The rows: objects from column to cell, or lists, whose columns are called f0, f1, …"
)
_SCHEMA_DESCRIPTION: Final = "How the columns become numbers; those not named are numbers."


class FitRequest(BaseModel):
    """A model to be trained."""

    model_config = ConfigDict(
        allow_inf_nan=False,
        populate_by_name=True,
        json_schema_extra={
            "examples": [
                {"model": "sensor-monitor", "backend": "ecod", "data": _POINTS},
                {
                    "model": "api-log",
                    "backend": "ecod",
                    "normalization": "zscore",
                    "data": [
                        {"milliseconds": 100, "method": "GET"},
                        {"milliseconds": 105, "method": "POST"},
                        {"milliseconds": 98, "method": "GET"},
                    ],
                    "schema": {"milliseconds": "numeric", "method": "label"},
                },
            ]
        },
    )

    model: ModelName = Field("default", description="What the model is to be called.")
    backend: str = Field(
        "isolation_forest",
        description="The detection method; see /v1/ml/anomaly/backends.",
        json_schema_extra=_BACKENDS,
    )
    data: list[Any] = Field(description=_DATA_DESCRIPTION, json_schema_extra=_DATA_SCHEMA)
    encodings: dict[str, Encoding] | None = Field(
        None, alias="schema", description=_SCHEMA_DESCRIPTION
    )
    contamination: Number = Field(
        0.1, gt=0.0, le=0.5, description="The share of anomalies expected among the rows."
    )
    normalization: Normalization = Field(
        "standardization", description="How the method's own scores become scores."
    )
    epochs: Integer = Field(
        100, ge=1, le=10_000, description="Passes over the rows, of methods that have them."
    )
    batch_size: Integer = Field(
        32, ge=1, le=65_536, description="Windows per step of the training, likewise."
    )
    overwrite: StrictBool = Field(
        True,
        description="Whether to replace the model of that name and backend; else the model is "
        "saved under its name with the time added.",
    )
    description: str | None = Field(None, max_length=1_000, description="For people.")


class ScoreRequest(BaseModel):
    """Rows to be scored with a model."""

    model_config = ConfigDict(
        allow_inf_nan=False,
        populate_by_name=True,
        json_schema_extra={
            "examples": [
                {"model": "sensor-monitor", "backend": "ecod", "data": [[22.0], [5.0], [50.0]]}
            ]
        },
    )

    model: ModelName = Field(
        "default", description="The model; NAME-latest for the version of NAME trained last."
    )
    backend: str | None = Field(
        None, description="Its detection method; that of the model trained last if not given."
    )
    data: list[Any] = Field(description=_DATA_DESCRIPTION, json_schema_extra=_DATA_SCHEMA)
    encodings: dict[str, Encoding] | None = Field(
        None, alias="schema", description="The model's own; need not be given."
    )
    normalization: Normalization | None = Field(
        None, description="How raw scores become scores; as the model was fitted if not given."
    )
    threshold: Number | None = Field(
        None, description="Rows that score above it are anomalies; the normalization's own if null."
    )


class ModelRequest(BaseModel):
    """A model to be saved or loaded."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"model": "sensor-monitor", "backend": "ecod"}]}
    )

    model: ModelName = Field(
        "default", description="The model; NAME-latest for the version of NAME trained last."
    )
    backend: str | None = Field(
        None, description="Its detection method; that of the model trained last if not given."
    )
    normalization: Normalization | None = Field(None, description="To be saved as the model's own.")
    description: str | None = Field(None, max_length=1_000, description="To be saved with it.")


class ModelParameters(BaseModel):
    """What a model was made with."""

    backend: str
    contamination: float
    threshold: float = Field(description="What the scores of anomalies are above.")
    input_dim: int = Field(description="Columns of the rows when they have become numbers.")


class EncoderInfo(BaseModel):
    """How rows become numbers."""

    encodings: dict[str, Encoding] = Field(alias="schema", description="By column.")
    features: list[str] = Field(description="What the columns of numbers are called.")


class FitResult(BaseModel):
    """A model that was trained and saved."""

    object: Literal["fit_result"] = "fit_result"
    model: str = Field(description="The name under which it was saved.")
    backend: str
    samples_fitted: int = Field(description="Rows it was trained on.")
    training_time_ms: float
    model_params: ModelParameters
    encoder: EncoderInfo
    status: Literal["fitted"] = "fitted"


class ScoredRow(BaseModel):
    """The verdict on a row; null while a method that scores windows has no whole one."""

    index: int = Field(description="The row's place in the request, from 0.")
    score: float | None = Field(description="Larger is more abnormal.")
    is_anomaly: bool | None = Field(description="Whether the score is above the threshold.")
    raw_score: float | None = Field(description="The method's own score.")


class AnomalousRow(BaseModel):
    """A row that is an anomaly."""

    index: int = Field(description="The row's place in the request, from 0.")
    score: float
    raw_score: float = Field(description="The method's own score.")


class ScoreSummary(BaseModel):
    """The verdicts, counted."""

    total_points: int
    anomaly_count: int
    anomaly_rate: float = Field(description="Anomalies per point.")
    threshold: float


class DetectSummary(BaseModel):
    """The anomalies, counted."""

    anomalies_detected: int
    threshold: float


class ScoreResult(BaseModel):
    """The verdicts on all rows."""

    object: Literal["list"] = "list"
    data: list[ScoredRow]
    summary: ScoreSummary


class DetectResult(BaseModel):
    """The rows that are anomalies."""

    object: Literal["list"] = "list"
    data: list[AnomalousRow]
    total_count: int = Field(description="How many they are.")
    summary: DetectSummary


class SaveResult(BaseModel):
    """A model that is saved; of /load, one that is in memory too."""

    object: Literal["save_result"] = "save_result"
    model: str
    backend: str
    filename: str
    path: str = Field(description="In the service's data directory.")
    encoder_path: str | None = Field(
        description="Where the encodings are: in the model's file; null if all cells are numbers."
    )
    status: Literal["saved"] = "saved"


class ModelFile(BaseModel):
    """A saved model."""

    filename: str
    size_bytes: int
    modified: float = Field(description="Seconds since 1970.")
    backend: str


class ModelList(BaseModel):
    """All saved models."""

    object: Literal["list"] = "list"
    data: list[ModelFile]
    models_dir: str = Field(description="In the service's data directory.")
    total: int


class ModelRemoved(BaseModel):
    """A saved model is gone."""

    object: Literal["model_deleted"] = "model_deleted"
    filename: str
    status: Literal["deleted"] = "deleted"
