"""A row of the table that ``./dev bench`` prints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Figure:
    """What is measured, and what it should be."""

    name: str
    unit: str
    measure: Callable[[Any], float | None]
    """Given run.py's measurements; None where something is not installed that it takes."""
    at_most: float | None = None
    at_least: float | None = None
    note: Callable[[Any], str] = lambda _: ""

    @property
    def target(self) -> str:
        """What it should be, in words."""
        if self.at_most is not None:
            return f"<= {self.at_most:,g}"
        return f">= {self.at_least:,g}" if self.at_least is not None else ""

    def is_met(self, value: float | None) -> bool | None:
        """Return whether `value` is what it should be; None without a target or a value."""
        if value is None:
            return None
        if self.at_most is not None:
            return value <= self.at_most
        return value >= self.at_least if self.at_least is not None else None
