"""Points of streams, scored as they come."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import orjson
from fastapi import APIRouter, Path, Request
from pydantic import ValidationError
from starlette.responses import Response

from freshet.server.bodies import JsonText, json_response, read_object, validated
from freshet.server.limits import require_size
from freshet.server.openapi import operation
from freshet.server.problems import Problem
from freshet.server.schemas.streams import (
    DetectorInfo,
    DetectorList,
    Removed,
    StreamingResult,
    StreamName,
    StreamRequest,
    is_stream_name,
)
from freshet.server.security import authorize_stream, may_use_stream

if TYPE_CHECKING:
    from freshet.server.engine import Answer, Engine

__all__ = ["router"]

router = APIRouter(prefix="/v1/ml/anomaly/stream", tags=["streaming"])

_Model = Annotated[StreamName, Path(description="The stream's name.")]
_DEFAULT_LAG_PERIODS = (1, 2, 3)
#: Of requests that differ in their points only, and of answers that differ in their results: how
#: many kinds are remembered, and how long the rest of a request may be.
_MAX_REMEMBERED: Final = 1024
_MAX_MEMBERS_BYTES: Final = 4096
#: Settings that a request has as the library does.
_SAME = (
    "backend",
    "min_samples",
    "retrain_interval",
    "window_size",
    "contamination",
    "threshold",
    "normalization",
)


@router.post(
    "", response_model=StreamingResult, **operation("write", body=StreamRequest, problems=[409])
)
async def stream(request: Request) -> Response:
    """Score points and keep them; the first points of a stream make its detector.

    The answer comes when the points are stored. Points that are refused change nothing.
    """
    name, data, wanted = _read(await read_object(request))
    authorize_stream(request, name, "model")
    rows = [data] if isinstance(data, dict) else data
    if not rows:
        raise Problem(
            422,
            "The request has no points",
            id="batch_empty",
            field="data",
            expected="at least one point",
        )
    state = request.app.state
    require_size(state.settings, rows)
    engine: Engine = state.engine
    response: Response = await engine.score(
        name,
        settings=wanted.settings,
        given=wanted.given,
        values=rows,
        columns=None,
        render=_render,
    )
    return response


@router.get("/detectors", response_model=DetectorList, **operation("read"))
async def detectors(request: Request) -> Response:
    """List the detectors of all streams."""
    infos = await request.app.state.engine.infos()
    data = [
        _info(stream_id, info)
        for stream_id, info in sorted(infos.items())
        if may_use_stream(request, stream_id)
    ]
    return json_response({"object": "list", "data": data, "total": len(data)})


# Names may have slashes: whoever can make a stream can reach it.
@router.get("/{model:path}", response_model=DetectorInfo, **operation("read", problems=[404]))
async def detector(request: Request, model: _Model) -> Response:
    """Tell about a stream's detector."""
    authorize_stream(request, model, "model")
    return json_response(_info(model, await request.app.state.engine.info(model)))


@router.post(
    "/{model:path}/reset", response_model=DetectorInfo, **operation("admin", problems=[404])
)
async def reset(request: Request, model: _Model) -> Response:
    """Bring a detector back to cold start: its points are forgotten, its settings stay."""
    authorize_stream(request, model, "model")
    return json_response(_info(model, await request.app.state.engine.reset(model)))


@router.delete("/{model:path}", response_model=Removed, **operation("admin", problems=[404]))
async def remove(request: Request, model: _Model) -> Response:
    """Delete a stream; what was predicted stays in the log."""
    authorize_stream(request, model, "model")
    await request.app.state.engine.remove(model)
    return json_response({"object": "detector_deleted", "model": model, "status": "deleted"})


class _Wanted(NamedTuple):
    """What requests say of a detector.

    Attributes
    ----------
    members : dict
        Of the requests' bodies, without the stream's name and its data.
    settings, given : mapping
        See `Scoring`; the same for all that have the same members.
    """

    members: dict[str, Any]
    settings: Mapping[str, Any]
    given: Mapping[str, Any]


def _read(content: dict[str, Any]) -> tuple[str, dict[str, Any] | list[Any], _Wanted]:
    """Return the stream, its data, and the rest of a request, which most requests have in common.

    Raises
    ------
    Problem
        If it is no `StreamRequest`.
    """
    name, data = content.get("model"), content.get("data")
    if is_stream_name(name) and isinstance(data, (dict, list)):
        del content["model"], content["data"]
        try:
            text = orjson.dumps(content)
            wanted = _remembered(text) if len(text) <= _MAX_MEMBERS_BYTES else None
            # What JSON cannot write is null in the text.
            if wanted is not None and wanted.members == content:
                return name, data, wanted
        except (orjson.JSONEncodeError, ValidationError):
            pass  # Too deep, or wrong: where, the model of the whole says.
        content["model"], content["data"] = name, data
    body = validated(StreamRequest, content)
    return body.model, body.data, _wanted(body, {})


@functools.lru_cache(maxsize=_MAX_REMEMBERED)
def _remembered(members: bytes) -> _Wanted:
    content = orjson.loads(members)
    return _wanted(StreamRequest.model_validate({**content, "data": []}), content)


def _wanted(body: StreamRequest, members: dict[str, Any]) -> _Wanted:
    """Return all settings of a detector, and those of them that the request names."""
    settings = {name: getattr(body, name) for name in _SAME}
    settings["retrain"] = "hosted"
    if body.normalization != "calibrated" and "threshold" not in body.model_fields_set:
        settings["threshold"] = None  # the normalization's own
    settings["rolling_windows"] = body.rolling_windows or []
    settings["lag_periods"] = _lag_periods(body)
    if body.encodings:
        settings["schema"] = body.encodings
    set_fields = body.model_fields_set
    given = {name: settings[name] for name in _SAME if name in set_fields}
    if "rolling_windows" in set_fields:
        given["rolling_windows"] = settings["rolling_windows"]
    if "include_lags" in set_fields or (body.include_lags and "lag_periods" in set_fields):
        given["lag_periods"] = settings["lag_periods"]
    if "encodings" in set_fields:
        given["schema"] = body.encodings or {}
    return _Wanted(members, settings, given)


def _lag_periods(body: StreamRequest) -> list[int]:
    if not body.include_lags:
        return []
    return list(_DEFAULT_LAG_PERIODS) if body.lag_periods is None else body.lag_periods


def _render(answer: Answer) -> Response:
    """Make the answer; off the event loop."""
    stream = answer.stream
    before, after = _around_results(
        stream.stream_id,
        stream.status,
        stream.model_version,
        answer.samples_collected,
        answer.samples_until_ready,
        _threshold(stream.threshold, stream.settings),
        stream.bundle,
    )
    return JsonText(before + answer.results_json + after)


@functools.lru_cache(maxsize=_MAX_REMEMBERED, typed=True)
def _around_results(
    stream_id: str,
    status: str,
    model_version: int,
    samples_collected: int,
    samples_until_ready: int,
    threshold: float,
    bundle: str | None,
) -> tuple[bytes, bytes]:
    """Return what is before and after an answer's results: as long as a model serves, the same."""
    before = {"object": "streaming_result", "model": stream_id, "status": status}
    after = {
        "model_version": model_version,
        "samples_collected": samples_collected,
        "samples_until_ready": samples_until_ready,
        "threshold": threshold,
        "bundle": bundle,
    }
    return orjson.dumps(before)[:-1] + b',"results":', b"," + orjson.dumps(after)[1:]


def _info(stream_id: str, info: dict[str, Any]) -> dict[str, Any]:
    stats, settings = info["stats"], info["settings"]
    return {
        "model_id": stream_id,
        "backend": settings["backend"],
        "status": stats["status"],
        "model_version": stats["model_version"],
        "samples_collected": stats["samples_collected"],
        "total_processed": stats["total_processed"],
        "samples_since_retrain": stats["samples_since_retrain"],
        "min_samples": settings["min_samples"],
        "retrain_interval": settings["retrain_interval"],
        "window_size": settings["window_size"],
        "threshold": _threshold(stats["threshold"], settings),
        "is_ready": stats["is_ready"],
        "bundle": info["bundle"],
        "failed_retrains": stats["failed_retrains"],
        "last_error": stats["last_error"],
    }


def _threshold(active: float | None, settings: Mapping[str, Any]) -> float:
    """The active model's, or the one that it will have."""
    return settings.get("threshold", 0.5) if active is None else active
