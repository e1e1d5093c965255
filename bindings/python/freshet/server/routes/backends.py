"""The detection methods there are."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter
from starlette.responses import Response

from freshet.catalog import backends
from freshet.server.bodies import json_response
from freshet.server.openapi import operation
from freshet.server.schemas.backends import BackendList

__all__ = ["router"]

router = APIRouter(prefix="/v1/ml/anomaly", tags=["batch"])


@router.get("/backends", response_model=BackendList, **operation("read"))
async def list_backends() -> Response:
    """List the detection methods, in the order in which to try them."""
    data = [asdict(one) for one in backends()]
    categories = list(dict.fromkeys(one["category"] for one in data))
    return json_response(
        {"object": "list", "data": data, "total": len(data), "categories": categories}
    )
