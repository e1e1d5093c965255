"""Models of whole series: trained, kept, and used on rows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, FastAPI, Path, Request
from starlette.responses import Response

from freshet.server.bodies import json_response, read_json
from freshet.server.limits import require_size
from freshet.server.models.batch import DIRECTORY, Batch, Scoring
from freshet.server.models.names import base_name, parse_filename
from freshet.server.models.training import Training
from freshet.server.openapi import operation
from freshet.server.schemas.batch import (
    DetectResult,
    FitRequest,
    FitResult,
    ModelList,
    ModelRemoved,
    ModelRequest,
    SaveResult,
    ScoreRequest,
    ScoreResult,
)
from freshet.server.security import authorize_stream, may_use_stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from freshet.server.models.batch_model import Scored
    from freshet.server.models.saved import SavedModel

__all__ = ["router"]


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    batch = app.state.batch = Batch(app.state.settings)
    try:
        yield
    finally:
        await asyncio.to_thread(batch.close)


router = APIRouter(prefix="/v1/ml/anomaly", tags=["batch"], lifespan=_lifespan)


@router.post("/fit", response_model=FitResult, **operation("write", body=FitRequest))
async def fit(request: Request) -> Response:
    """Train a model and save it; the answer comes when it is on the disk."""
    body = await read_json(request, FitRequest)
    authorize_stream(request, base_name(body.model), "model")
    require_size(request.app.state.settings, body.data)
    training = Training(
        name=body.model,
        backend=body.backend,
        schema=body.encodings,
        contamination=body.contamination,
        normalization=body.normalization,
        epochs=body.epochs,
        batch_size=body.batch_size,
        description=body.description,
    )
    fitted = await _batch(request).fit(training, body.data, overwrite=body.overwrite)
    model = fitted.saved.model
    return json_response(
        {
            "object": "fit_result",
            "model": model.name,
            "backend": model.backend,
            "samples_fitted": model.samples,
            "training_time_ms": fitted.seconds * 1e3,
            "model_params": {
                "backend": model.backend,
                "contamination": model.estimator.contamination,
                "threshold": model.normalizer().default_threshold,
                "input_dim": len(model.features),
            },
            "encoder": {"schema": model.schema, "features": model.features},
            "status": "fitted",
        }
    )


@router.post(
    "/score",
    response_model=ScoreResult,
    **operation("write", body=ScoreRequest, problems=[404, 409]),
)
async def score(request: Request) -> Response:
    """Score rows with a model. They go into the log of predictions, and nowhere else."""
    return await _score(request, _render_all)


@router.post(
    "/detect",
    response_model=DetectResult,
    **operation("write", body=ScoreRequest, problems=[404, 409]),
)
async def detect(request: Request) -> Response:
    """Score rows with a model, and return those that are anomalies."""
    return await _score(request, _render_anomalies)


@router.post(
    "/save", response_model=SaveResult, **operation("admin", body=ModelRequest, problems=[404])
)
async def save(request: Request) -> Response:
    """Save a model with another description or normalization; models are saved when fitted."""
    body = await read_json(request, ModelRequest)
    authorize_stream(request, base_name(body.model), "model")
    saved = await _batch(request).save(
        body.model,
        body.backend,
        normalization=body.normalization,
        description=body.description,
    )
    return json_response({"object": "save_result", **_described(saved), "status": "saved"})


@router.post(
    "/load", response_model=SaveResult, **operation("admin", body=ModelRequest, problems=[404])
)
async def load(request: Request) -> Response:
    """Read a model, so that the first request that scores with it need not."""
    body = await read_json(request, ModelRequest)
    authorize_stream(request, base_name(body.model), "model")
    saved = await _batch(request).load(body.model, body.backend)
    return json_response({"object": "save_result", **_described(saved), "status": "saved"})


@router.get("/models", response_model=ModelList, **operation("read"))
async def models(request: Request) -> Response:
    """List the saved models."""
    data = [
        {
            "filename": file.filename,
            "size_bytes": file.size,
            "modified": file.modified,
            "backend": file.backend,
        }
        for file in await _batch(request).files()
        if may_use_stream(request, file.name)
    ]
    return json_response(
        {"object": "list", "data": data, "models_dir": DIRECTORY, "total": len(data)}
    )


@router.delete(
    "/models/{filename}", response_model=ModelRemoved, **operation("admin", problems=[404])
)
async def remove(
    request: Request, filename: Annotated[str, Path(description="As in the list.")]
) -> Response:
    """Delete a saved model."""
    parsed = parse_filename(filename)
    if parsed is not None:
        authorize_stream(request, parsed[0], "filename")
    await _batch(request).delete(filename)
    return json_response({"object": "model_deleted", "filename": filename, "status": "deleted"})


def _batch(request: Request) -> Batch:
    batch: Batch = request.app.state.batch
    return batch


async def _score(request: Request, render: Callable[[Scored], Response]) -> Response:
    received_at = round(time.time(), 6)
    body = await read_json(request, ScoreRequest)
    stream_id = base_name(body.model)
    authorize_stream(request, stream_id, "model")
    require_size(request.app.state.settings, body.data)
    scoring = Scoring(
        body.model,
        body.backend,
        body.data,
        normalization=body.normalization,
        threshold=body.threshold,
        schema=body.encodings,
    )
    outcome = await _batch(request).score(scoring, render)
    scored = outcome.scored
    logged = slice(scored.n_unscored, None)
    await request.app.state.engine.log_predictions(
        stream_id=stream_id,
        mode="batch",
        columns=outcome.saved.model.features,
        values=scored.values[logged],
        scores=scored.scores[logged],
        raw_scores=scored.raw_scores[logged],
        is_anomaly=scored.is_anomaly[logged],
        threshold=scored.threshold,
        model_version=outcome.saved.model.created,
        received_at=received_at,
    )
    return outcome.rendered


def _render_all(scored: Scored) -> Response:
    none = [None] * scored.n_unscored
    columns = (
        scored.scores.tolist(),
        none + scored.is_anomaly[scored.n_unscored :].tolist(),
        scored.raw_scores.tolist(),
    )
    n_anomalies = int(scored.is_anomaly.sum())
    # NaN is null in JSON.
    data = [
        {"index": index, "score": score, "is_anomaly": is_anomaly, "raw_score": raw_score}
        for index, (score, is_anomaly, raw_score) in enumerate(zip(*columns, strict=True))
    ]
    summary = {
        "total_points": len(data),
        "anomaly_count": n_anomalies,
        "anomaly_rate": n_anomalies / len(data),
        "threshold": scored.threshold,
    }
    return json_response({"object": "list", "data": data, "summary": summary})


def _render_anomalies(scored: Scored) -> Response:
    where = scored.is_anomaly.nonzero()[0]
    columns = where, scored.scores[where], scored.raw_scores[where]
    data = [
        {"index": index, "score": score, "raw_score": raw_score}
        for index, score, raw_score in zip(*(one.tolist() for one in columns), strict=True)
    ]
    summary = {"anomalies_detected": len(data), "threshold": scored.threshold}
    return json_response(
        {"object": "list", "data": data, "total_count": len(data), "summary": summary}
    )


def _described(saved: SavedModel) -> dict[str, Any]:
    path = f"{DIRECTORY}/{saved.filename}"
    return {
        "model": saved.model.name,
        "backend": saved.model.backend,
        "filename": saved.filename,
        "path": path,
        "encoder_path": None if saved.model.encoder is None else path,
    }
