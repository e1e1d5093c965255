"""For whoever runs the service: is it alive, is it ready, how does it do."""

from __future__ import annotations

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import PlainTextResponse, Response

from freshet import __version__
from freshet.server.bodies import json_response
from freshet.server.openapi import operation
from freshet.server.problems import Problem
from freshet.server.schemas.operations import Health, Readiness

__all__ = ["router"]

router = APIRouter(tags=["operations"])


@router.get("/health", response_model=Health, **operation("open"))
async def health() -> Response:
    """Say that the process is alive."""
    return json_response({"status": "ok", "version": __version__})


@router.get("/ready", response_model=Readiness, **operation("open", problems=[503]))
async def ready(request: Request) -> Response:
    """Say whether requests can be served now: the store answers, and no shutdown has begun."""
    state = request.app.state
    is_ready, checks = (True, {}) if state.engine is None else state.engine.ready()
    if state.is_stopping or not is_ready:
        raise Problem(
            503,
            "The service is stopping" if state.is_stopping else "The service is not ready",
            id="service_stopping" if state.is_stopping else "service_not_ready",
            headers={"Retry-After": "1"},
            checks=checks,
        )
    return json_response({"status": "ready", "checks": checks})


@router.get("/metrics", response_class=PlainTextResponse, **operation("read"))
async def metrics(request: Request) -> Response:
    """Return the metrics as Prometheus reads them."""
    text = generate_latest(request.app.state.metrics.registry)
    return Response(text, media_type=CONTENT_TYPE_LATEST)
