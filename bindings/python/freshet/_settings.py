"""The settings of streaming detectors as Python shows them."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

Retrain: TypeAlias = Literal["inline", "background", "manual", "hosted"]


def public_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """`settings` with None for what is not known yet."""
    for name in ("columns", "n_features"):
        settings[name] = settings[name] or None
    return settings
