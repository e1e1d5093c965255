"""Answers about detection methods."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

__all__ = ["BackendInfo", "BackendList"]


class BackendInfo(BaseModel):
    """A detection method."""

    backend: str = Field(description="The identifier, as in requests.")
    name: str
    description: str
    category: str = Field(
        description="legacy, fast, distance, clustering, ensemble, streaming or deep_learning."
    )
    speed: str = Field(description="very_fast, fast, medium or slow.")
    memory: str = Field(description="low, medium or high.")
    parameters: list[str] = Field(description="What can be set of it.")
    best_for: str
    is_legacy: bool = Field(description="Whether there are better choices for every purpose.")


class BackendList(BaseModel):
    """All detection methods."""

    object: Literal["list"] = "list"
    data: list[BackendInfo]
    total: int
    categories: list[str] = Field(description="Those that the methods have, without repetition.")
