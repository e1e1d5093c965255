"""From figures to the table on the terminal, and to the files that keep it."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from figure import Figure

ROOT = Path(__file__).resolve().parent.parent


def parser(program: str, description: str | None) -> argparse.ArgumentParser:
    """Return a parser of the options that every benchmark has."""
    made = argparse.ArgumentParser(prog=program, description=description)
    made.add_argument("--quick", action="store_true", help="fewer repetitions: a rough answer")
    made.add_argument(
        "--filter", metavar="REGEX", default="", help="only figures whose name matches"
    )
    made.add_argument("--output", type=Path, default=ROOT / "build" / "bench", metavar="FOLDER")
    made.add_argument("--check", action="store_true", help="fail when a target is missed")
    return made


def machine(build: Path | None = None, packages: Sequence[str] = ()) -> dict[str, Any]:
    """Return what the figures depend on.

    Parameters
    ----------
    build : Path, optional
        The folder whose compiler counts.
    packages : sequence of str
        Python packages whose versions count, beside those that always do.
    """
    cpu = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        cpu = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "cpu": cpu,
        "cores": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        "system": f"{platform.system()} {platform.release()}",
        **({} if build is None else {"compiler": _compiler(build)}),
        "python": platform.python_version(),
        **{name: version(name) for name in ("freshet", "numpy", "polars", "pyod", *packages)},
    }


def _compiler(build: Path) -> str:
    try:
        cache = (build / "CMakeCache.txt").read_text(encoding="utf-8")
    except OSError:
        return "unknown"
    settings = dict(re.findall(r"^(\w+):\w+=(.*)$", cache, flags=re.MULTILINE))
    program = settings.get("CMAKE_CXX_COMPILER", "c++")
    answer = subprocess.run([program, "--version"], check=False, capture_output=True, text=True)
    flags = f"{settings.get('CMAKE_CXX_FLAGS', '')} {settings.get('CMAKE_CXX_FLAGS_RELEASE', '')}"
    name = answer.stdout.splitlines()[0] if answer.stdout else program
    return f"{name}, {' '.join(flags.split())}"


#: How a table spells what a machine's entries are called.
_SPELLING = {"python": "Python", "numpy": "NumPy", "polars": "Polars", "pyod": "PyOD"}
_IN_OTHER_WORDS = {"date", "cpu", "cores", "load_before", "system", "compiler", "freshet"}


def markdown(report: dict[str, Any]) -> str:
    """Return the table as benchmarks/README.md keeps it."""
    about = report["machine"]
    where = [
        about["date"],
        f"{about['cores']} cores of {about['cpu']}",
        about["system"].split()[0],
        *([about["compiler"]] if "compiler" in about else []),
    ]
    versions = [
        f"{_SPELLING.get(name, name)} {value}"
        for name, value in about.items()
        if name not in _IN_OTHER_WORDS
    ]
    lines = [
        f"{', '.join(where)}; {', '.join(versions)}. Load before: {about['load_before']:.1f}.",
        "",
        "| | measured | target | | |",
        "|---|---:|---:|---|---|",
    ]
    for figure in report["figures"]:
        verdict = {True: "met", False: "**missed**", None: ""}[figure["met"]]
        target = figure["target"].replace("<=", "≤").replace(">=", "≥")
        value = "" if figure["value"] is None else f"{figure['value']:,.2f} {figure['unit']}"
        cells = (value, target, verdict, figure["note"])
        lines.append(f"| {figure['name']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def run(
    figures: Sequence[Figure],
    measure: Callable[[], Any],
    about: dict[str, Any],
    options: argparse.Namespace,
    name: str = "results",
) -> int:
    """Measure figures one after the other, print each as it comes, and keep them all.

    Parameters
    ----------
    figures : sequence of Figure
    measure : callable
        Returns what the figures are asked with.
    about : dict
        What `machine` returned.
    options : Namespace
        Of a `parser`.
    name : str
        Of the files in the output folder, without a suffix.

    Returns
    -------
    int
        The exit status: 1 when a target is missed and ``--check`` was given, 2 when there is
        nothing to measure.
    """
    options.output.mkdir(parents=True, exist_ok=True)
    chosen = [figure for figure in figures if re.search(options.filter, figure.name)]
    if not chosen:
        print(f"no figure matches {options.filter!r}", file=sys.stderr)
        return 2
    print(", ".join(f"{name} {value}" for name, value in about.items()))
    if about["load_before"] > 0.5:
        print(f"note: the machine is busy (load {about['load_before']:.1f}), figures will be worse")
    results = _measure(chosen, measure())
    report = {"machine": about, "quick": options.quick, "figures": results}
    path = options.output / f"{name}.json"
    path.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text(markdown(report), encoding="utf-8")
    missed = [result["name"] for result in results if result["met"] is False]
    print(f"\n{path}" + (f"\nmissed: {', '.join(missed)}" if missed else ""))
    return 1 if missed and options.check else 0


def _measure(chosen: Sequence[Figure], measurements: Any) -> list[dict[str, Any]]:
    width = max(len(figure.name) for figure in chosen)
    print(f"\n{'':{width}}  {'measured':>12}       {'target':>9}")
    results = []
    for figure in chosen:
        value = figure.measure(measurements)
        note = figure.note(measurements)
        met = figure.is_met(value)
        verdict = {True: "met", False: "MISSED", None: ""}[met]
        number = "-" if value is None else f"{value:,.2f}"
        line = f"{figure.name:{width}}  {number:>12} {figure.unit:4}  {figure.target:>9}"
        print(f"{line}  {verdict:6}  {note}".rstrip(), flush=True)
        results.append(
            {"name": figure.name, "value": value, "unit": figure.unit, "target": figure.target,
             "met": met, "note": note}
        )  # fmt: skip
    return results
