"""``freshet inspect``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from freshet import _core
from freshet.cli._config_option import ConfigFile
from freshet.cli._output import as_table

EXAMPLES: Final = (
    "freshet inspect models/nyc_taxi",
    "freshet inspect models/nyc_taxi --json",
)


def inspect(
    bundle: Annotated[
        Path, typer.Argument(metavar="BUNDLE", help="What freshet train has written.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print all there is to know as JSON.")] = (
        False
    ),
    config: ConfigFile = None,  # noqa: ARG001
) -> None:
    """Verify a bundle and show what is in it.

    Every hash, shape, type and version is checked. What is wrong with a damaged bundle is said on
    standard error, and the exit status is 1.
    """
    about = _describe(bundle)
    text = json.dumps(about, indent=2, allow_nan=False, ensure_ascii=False)
    typer.echo(text if as_json else "\n".join(line.rstrip() for line in _lines(about)))


def _describe(bundle: Path) -> dict[str, Any]:
    """The manifest, and what is in the other files."""
    read = _core.load_bundle(bundle)
    model = read["model"]
    manifest = json.loads((bundle / "manifest.json").read_bytes())
    return {
        "bundle": str(bundle),
        "verified": True,  # Otherwise reading it would have raised.
        **manifest,
        "n_weights": sum(tensor.size for tensor in model.tensors().values()),
        "tensors": {name: list(tensor.shape) for name, tensor in model.tensors().items()},
        "scaler": {"center": model.center().tolist(), "scale": model.scale().tolist()},
        "threshold": {"value": read["threshold"], "percentile": read["percentile"]},
    }


def _lines(about: dict[str, Any]) -> list[str]:
    parameters = about["backend_params"]
    threshold = about["threshold"]
    percentile = threshold["percentile"]
    n_rows, n_windows = about["training"]["n_rows"], about["training"]["n_windows"]
    network = f"{about['n_weights']:,} weights of {parameters['dtype']}"
    facts = [
        ("bundle", about["bundle"]),
        ("format", f"{about['format']} {about['format_version']}, verified"),
        ("written by", f"freshet {about['library_version']}, {about['created']}"),
        ("backend", about["backend"]),
        ("network", f"{network} in {len(about['tensors'])} tensors"),
        ("window", f"{about['window']} rows"),
        ("trained on", f"{n_rows:,} rows, {n_windows:,} windows" if n_rows else "not known"),
        (
            "threshold",
            f"{threshold['value']:.6g}, "
            + ("set by hand" if percentile is None else f"percentile {percentile:g} of the errors"),
        ),
    ]
    parameters = {**parameters, "seed": about["seed"]}
    names = [("", name, "-" if value is None else f"{value}") for name, value in parameters.items()]
    return [
        *as_table(facts),
        *("", "parameters", *as_table(names)),
        *("", "columns", *as_table(_columns(about), "  ")),
        *("", "losses", *as_table(_losses(about["training"]), "  ")),
        *("", "files", *as_table(_files(about["files"]), "  ")),
    ]


def _columns(about: dict[str, Any]) -> list[tuple[str, ...]]:
    """A line for each column, with the statistics of the training rows if they are known."""
    statistics = about["training"]["columns"]
    known = ("min", "max", "mean", "std") if statistics else ()
    rows: list[tuple[str, ...]] = [("NAME", *(name.upper() for name in known), "CENTER", "SCALE")]
    for i, name in enumerate(about["columns"]):
        numbers = [statistics[i][one] for one in known]
        numbers += [about["scaler"]["center"][i], about["scaler"]["scale"][i]]
        rows.append((name, *(f"{number:.6g}" for number in numbers)))
    return rows


def _losses(training: dict[str, Any]) -> list[tuple[str, ...]]:
    """The first, the best and the last epoch."""
    epochs = training["epochs"]
    if not epochs:
        return [("not known",)]
    rows: list[tuple[str, ...]] = [("", "EPOCH", "TRAINING", "VALIDATION")]
    places = {"first": 1, "best": training["best_epoch"], "last": len(epochs)}
    for which, epoch in places.items():
        losses = [epochs[epoch - 1][f"{kind}_loss"] for kind in ("training", "validation")]
        shown = ("-" if loss is None else f"{loss:.6g}" for loss in losses)
        rows.append((which, str(epoch), *shown))
    return rows


def _files(files: dict[str, Any]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("NAME", "BYTES", "SHA-256", "")]
    rows += [(name, f"{one['bytes']:,}", one["sha256"], "verified") for name, one in files.items()]
    return rows
