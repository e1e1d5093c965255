"""Numbers of requests, as JSON and its schemas have them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

__all__ = ["AS_INTEGER", "Integer", "Number"]


def _as_integer(value: object) -> object:
    """1.0 is an integer in JSON Schema."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


#: After the bounds of an integer that is no field itself, so that the document shows them.
AS_INTEGER = BeforeValidator(_as_integer)
#: A whole number; neither a flag nor a text.
Integer = Annotated[int, Field(strict=True), AS_INTEGER]
#: A finite number; neither a flag nor a text.
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
