"""Answers of the endpoints for whoever runs the service."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

__all__ = ["Health", "Readiness"]


class Health(BaseModel):
    """The process is alive."""

    status: Literal["ok"] = "ok"
    version: str = Field(description="The version of freshet.")


class Readiness(BaseModel):
    """Requests can be served."""

    status: Literal["ready"] = "ready"
    checks: dict[str, Any] = Field(description="What was looked at, by name.")
