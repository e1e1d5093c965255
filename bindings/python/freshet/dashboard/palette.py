"""The colours: Okabe and Ito's, which colour-blind readers can tell apart, on light and on dark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["DARK", "LIGHT", "Palette", "contrast", "palette"]


@dataclass(frozen=True)
class Palette:
    """What is drawn in which colour.

    Lines and markers have a contrast of 3:1 or more to the background, texts of 4.5:1 or more, as
    WCAG 2.2 has it. No two things differ by colour alone: anomalies are crosses, thresholds dashed,
    models numbered, cold start named.
    """

    background: str
    text: str
    grid: str
    series: tuple[str, ...]
    score: str
    anomaly: str
    chosen: str
    threshold: str
    version_odd: str
    version_even: str
    version_text: str
    cold: str


LIGHT: Final = Palette(
    background="#ffffff",
    text="#31333f",
    grid="#e6e8ee",
    series=("#3a3a3a", "#009e73", "#cc79a7", "#0072b2"),
    score="#0072b2",
    anomaly="#d55e00",
    chosen="#000000",
    threshold="#000000",
    version_odd="#b5dcf3",
    version_even="#dcedf8",
    version_text="#0b3c5d",
    cold="rgba(140, 140, 140, 0.22)",
)
DARK: Final = Palette(
    background="#0e1117",
    text="#e6e8ee",
    grid="#2a2e39",
    series=("#d0d0d0", "#009e73", "#cc79a7", "#56b4e9"),
    score="#56b4e9",
    anomaly="#e69f00",
    chosen="#ffffff",
    threshold="#ffffff",
    version_odd="#1f4e6b",
    version_even="#16364a",
    version_text="#e6f3fb",
    cold="rgba(160, 160, 160, 0.22)",
)


def palette(theme: Literal["light", "dark"] | str | None) -> Palette:
    """Return the colours of a theme; those of the light one where it is unknown."""
    return DARK if theme == "dark" else LIGHT


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, ``#rrggbb``, by WCAG 2.2: from 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
