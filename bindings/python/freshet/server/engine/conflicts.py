"""Settings of a request that are not those of its stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from freshet.errors import Error

__all__ = ["SettingsConflictError", "require_same_settings"]


class SettingsConflictError(Error, ValueError):
    """A request's settings are others than those of the stream.

    Attributes
    ----------
    differences : dict
        From the setting's name to the value ``given`` and the one that the stream ``has``.
    """

    def __init__(self, stream_id: str, differences: dict[str, tuple[Any, Any]]) -> None:
        told = ", ".join(
            f"{name} is {has!r}, not {given!r}" for name, (given, has) in differences.items()
        )
        super().__init__(
            f'stream "{stream_id}" exists with other settings: {told}',
            id="settings_conflict",
            field=", ".join(differences),
            expected="the settings of the stream, or none",
        )
        self.differences = {
            name: {"given": given, "has": has} for name, (given, has) in differences.items()
        }


def require_same_settings(
    stream_id: str, given: Mapping[str, Any], settings: Mapping[str, Any]
) -> None:
    """Raise SettingsConflictError unless what is given is what the stream has."""
    differences = {
        name: (value, settings.get(name))
        for name, value in given.items()
        if _meaning(name, value) != _meaning(name, settings.get(name))
    }
    if differences:
        raise SettingsConflictError(stream_id, differences)


def _meaning(name: str, value: Any) -> Any:
    """Return a setting so that those that do the same are equal."""
    if name != "schema":
        return value
    # Columns that it does not name are numbers.
    return {column: one for column, one in (value or {}).items() if one != "numeric"}
