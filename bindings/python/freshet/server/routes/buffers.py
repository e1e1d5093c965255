"""The last rows of series, with rolling features."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

from fastapi import APIRouter, FastAPI, Path, Query, Request
from starlette.responses import Response

from freshet.server.bodies import json_response, read_json
from freshet.server.buffers import Buffers, FeatureSelection
from freshet.server.buffers.store import SqliteBufferStore
from freshet.server.limits import require_size
from freshet.server.openapi import operation
from freshet.server.schemas.buffers import (
    AppendRequest,
    AppendResult,
    BufferCleared,
    BufferCreated,
    BufferData,
    BufferInfo,
    BufferList,
    BufferName,
    BufferRemoved,
    BufferRequest,
    FeaturesRequest,
    Tail,
)
from freshet.server.security import authorize_stream, may_use_stream
from freshet.server.work import WorkPool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from freshet.server.settings import ServerSettings

__all__ = ["router"]

_T = TypeVar("_T")

#: More than processors, for most of the time they wait for the disk; together.
_N_THREADS: Final = 8
_FILE: Final = "buffers.sqlite"


@dataclass(frozen=True, slots=True)
class _State:
    """The buffers, and the threads that use them."""

    buffers: Buffers
    pool: WorkPool

    @classmethod
    def open(cls, settings: ServerSettings) -> _State:
        """Read what is stored."""
        store = SqliteBufferStore(
            settings.data_dir / _FILE, is_durable=settings.durability == "full"
        )
        buffers = Buffers(
            store,
            max_buffers=settings.max_buffers,
            max_columns=settings.max_columns,
            max_bytes=settings.max_buffer_bytes,
        )
        return cls(buffers, WorkPool("buffers", _N_THREADS))

    def close(self) -> None:
        """Finish what was begun."""
        self.pool.close()
        self.buffers.close()


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    state = app.state.buffers = await asyncio.to_thread(_State.open, app.state.settings)
    try:
        yield
    finally:
        await asyncio.to_thread(state.close)


router = APIRouter(prefix="/v1/ml/polars", tags=["buffers"], lifespan=_lifespan)

_Id = Annotated[BufferName, Path(description="The buffer's name.")]


@router.post(
    "/buffers",
    response_model=BufferCreated,
    **operation("write", body=BufferRequest, problems=[409]),
)
async def create(request: Request) -> Response:
    """Make a buffer, which keeps the last rows that it gets."""
    body = await read_json(request, BufferRequest)
    authorize_stream(request, body.buffer_id, "buffer_id")
    await _run(request, lambda buffers: buffers.create(body.buffer_id, body.window_size))
    return json_response(
        {
            "object": "buffer_created",
            "buffer_id": body.buffer_id,
            "window_size": body.window_size,
            "status": "created",
        }
    )


@router.get("/buffers", response_model=BufferList, **operation("read"))
async def list_buffers(request: Request) -> Response:
    """List the buffers."""
    stats = await _run(request, lambda buffers: buffers.all_stats())
    data = [one for one in stats if may_use_stream(request, one["buffer_id"])]
    return json_response({"object": "list", "data": data, "total": len(data)})


@router.get("/buffers/{buffer_id}", response_model=BufferInfo, **operation("read", problems=[404]))
async def info(request: Request, buffer_id: _Id) -> Response:
    """Tell about a buffer."""
    authorize_stream(request, buffer_id, "buffer_id")
    return json_response(await _run(request, lambda buffers: buffers.stats(buffer_id)))


@router.delete(
    "/buffers/{buffer_id}", response_model=BufferRemoved, **operation("admin", problems=[404])
)
async def remove(request: Request, buffer_id: _Id) -> Response:
    """Delete a buffer."""
    authorize_stream(request, buffer_id, "buffer_id")
    await _run(request, lambda buffers: buffers.delete(buffer_id))
    return json_response(
        {
            "object": "buffer_deleted",
            "buffer_id": buffer_id,
            "deleted": True,
            "status": "deleted",
        }
    )


@router.post(
    "/buffers/{buffer_id}/clear",
    response_model=BufferCleared,
    **operation("admin", problems=[404]),
)
async def clear(request: Request, buffer_id: _Id) -> Response:
    """Delete the rows of a buffer, and forget its columns."""
    authorize_stream(request, buffer_id, "buffer_id")
    await _run(request, lambda buffers: buffers.clear(buffer_id))
    return json_response(
        {
            "object": "buffer_cleared",
            "buffer_id": buffer_id,
            "size": 0,
            "cleared": True,
            "status": "cleared",
        }
    )


@router.get(
    "/buffers/{buffer_id}/data",
    response_model=BufferData,
    **operation("read", problems=[404, 413]),
)
async def data(
    request: Request,
    buffer_id: _Id,
    tail: Annotated[Tail | None, Query()] = None,
    with_features: Annotated[
        bool, Query(description="Whether to compute the features that /features does by default.")
    ] = False,
) -> Response:
    """Return the rows of a buffer."""
    authorize_stream(request, buffer_id, "buffer_id")
    return await _table(request, buffer_id, tail, FeatureSelection() if with_features else None)


@router.post(
    "/append",
    response_model=AppendResult,
    **operation("write", body=AppendRequest, problems=[404]),
)
async def append(request: Request) -> Response:
    """Add rows to a buffer; the answer comes when they are stored."""
    body = await read_json(request, AppendRequest)
    authorize_stream(request, body.buffer_id, "buffer_id")
    rows = [body.data] if isinstance(body.data, dict) else body.data
    require_size(request.app.state.settings, rows)
    stats = await _run(request, lambda buffers: buffers.append(body.buffer_id, rows))
    return json_response(
        {
            "object": "append_result",
            "buffer_id": body.buffer_id,
            "appended": len(rows),
            "buffer_size": stats["size"],
            "avg_append_ms": stats["avg_append_ms"],
        }
    )


@router.post(
    "/features",
    response_model=BufferData,
    **operation("read", body=FeaturesRequest, problems=[404]),
)
async def features(request: Request) -> Response:
    """Return the rows of a buffer with rolling statistics and lags of its columns of numbers."""
    body = await read_json(request, FeaturesRequest)
    authorize_stream(request, body.buffer_id, "buffer_id")
    return await _table(request, body.buffer_id, body.tail, body.selection)


async def _table(
    request: Request, buffer_id: str, tail: int | None, selection: FeatureSelection | None
) -> Response:
    def render(buffers: Buffers) -> Response:
        table = buffers.table(buffer_id, tail, selection)
        return json_response(
            {
                "object": "polars_data",
                "buffer_id": buffer_id,
                "rows": len(table.rows),
                "columns": table.columns,
                "data": table.rows,
            }
        )

    return await _run(request, render)


async def _run(request: Request, use: Callable[[Buffers], _T]) -> _T:
    state: _State = request.app.state.buffers
    return await state.pool.run(lambda: use(state.buffers))
