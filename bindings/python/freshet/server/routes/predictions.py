"""What was predicted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, FastAPI, Query, Request
from starlette.responses import Response, StreamingResponse

from freshet.server.bodies import json_response
from freshet.server.engine import StoreError
from freshet.server.openapi import operation
from freshet.server.prediction_log.export import MEDIA_TYPES, to_csv, to_json_lines
from freshet.server.prediction_log.finding import Page, Search, write_cursor
from freshet.server.prediction_log.log import PredictionLog
from freshet.server.prediction_log.sinks import LogUnavailableError
from freshet.server.problems import Problem
from freshet.server.schemas.predictions import ExportQuery, PredictionPage, PredictionQuery
from freshet.server.security import authorize_stream, stream_prefixes

if TYPE_CHECKING:
    from freshet.server.prediction_log.records import Key

__all__ = ["router"]

#: Predictions that an export has in memory.
_EXPORTED_AT_ONCE: Final = 1_000


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings = app.state.settings
    log: PredictionLog | None = None
    # An engine without a journal, as tests may have it, has no predictions.
    if (journal := getattr(app.state.engine, "journal", None)) is not None:
        log = PredictionLog(
            journal,
            settings.log,
            retention_days=settings.log_retention_days,
            max_rows=settings.log_max_rows,
            max_spool_bytes=settings.log_spool_bytes,
            metrics=app.state.metrics,
        )
        app.state.engine.log = log
    app.state.log = log
    try:
        yield
    finally:
        if log is not None:
            await log.close(settings.shutdown_timeout_seconds / 3)


router = APIRouter(prefix="/v1/ml/anomaly/predictions", tags=["predictions"], lifespan=_lifespan)


@router.get("", response_model=PredictionPage, **operation("read", problems=[404]))
async def predictions(request: Request, query: Annotated[PredictionQuery, Query()]) -> Response:
    """List predictions, of all streams or of those asked for."""
    search = _search(request, query)
    page = await _find(request, search, query.after, query.limit, query.order)
    cursor = None if page.next is None else write_cursor(page.next)
    return json_response(
        {"object": "list", "data": page.predictions, "next_cursor": cursor},
    )


def _exporting() -> dict[str, Any]:
    described = operation("read", problems=[404])
    kinds = (kind.partition(";")[0] for kind in MEDIA_TYPES.values())
    described["responses"][200] = {
        "description": "A file",
        "content": {kind: {"schema": {"type": "string"}} for kind in kinds},
    }
    return described


@router.get("/export", response_class=StreamingResponse, **_exporting())
async def export(request: Request, query: Annotated[ExportQuery, Query()]) -> Response:
    """Return predictions as a file: CSV, or a JSON document on each line."""
    search = _search(request, query)
    # Before the answer begins, so that what prevents it can still be told.
    first = await _find(request, search, None, _EXPORTED_AT_ONCE, query.order)

    async def parts() -> AsyncIterator[bytes]:
        page, is_first = first, True
        while True:
            if query.format == "csv":
                yield to_csv(page.predictions, has_head=is_first)
            else:
                yield to_json_lines(page.predictions)
            if page.next is None:
                return
            is_first = False
            page = await _find(request, search, page.next, _EXPORTED_AT_ONCE, query.order)

    return StreamingResponse(
        parts(),
        media_type=MEDIA_TYPES[query.format],
        headers={"Content-Disposition": f'attachment; filename="predictions.{query.format}"'},
    )


def _search(request: Request, query: PredictionQuery | ExportQuery) -> Search:
    if query.stream_id is not None:
        authorize_stream(request, query.stream_id)
    log = request.app.state.log
    if log is None or not log.is_kept:
        raise Problem(
            404,
            "Predictions are not kept: the service was started with --log none",
            id="log_off",
            title="There is no log of predictions",
        )
    return query.search(stream_prefixes(request))


async def _find(
    request: Request, search: Search, after: Key | None, limit: int, order: str
) -> Page:
    log: PredictionLog = request.app.state.log
    try:
        return await log.find(search, after, limit, is_descending=order == "desc")
    except (LogUnavailableError, StoreError) as error:
        raise Problem(
            503,
            "The log of predictions does not answer now",
            id="log_unavailable",
            headers={"Retry-After": "5"},
        ) from error
