"""What the shell offers after Tab."""

from __future__ import annotations

# Typer looks at the types when it makes options.
from collections.abc import Iterator

__all__ = ["backend_names", "downloads", "series_names"]


def backend_names(incomplete: str) -> Iterator[tuple[str, str]]:
    """Yield the backends whose names begin so, with what each is best for."""
    from freshet.catalog import backends

    for one in backends():
        if one.backend.startswith(incomplete):
            yield one.backend, one.best_for


def series_names(incomplete: str) -> Iterator[tuple[str, str]]:
    """Yield the series of NAB whose names begin so, with their groups."""
    from freshet.datasets import list_nab

    for group, names in list_nab().items():
        for name in names:
            if name.startswith(incomplete):
                yield name, group


def downloads(incomplete: str) -> Iterator[tuple[str, str]]:
    """Yield what `freshet download` takes: series, groups of them, and all."""
    from freshet.datasets import list_nab

    sets = {"all": "every series", **dict.fromkeys(list_nab(), "a group of series")}
    yield from ((name, text) for name, text in sets.items() if name.startswith(incomplete))
    yield from series_names(incomplete)
