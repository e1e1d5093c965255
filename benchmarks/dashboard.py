"""``./dev bench dashboard``: how long the dashboard takes to show 100,000 points.

A dashboard is started for each kind of source, and a browser with an empty cache looks at it. What
is measured goes from the request of the page until the markers of the anomalies are drawn.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from freshet._core import record_dtype
from freshet.server.engine.changes import Entry
from freshet.server.engine.events import Rows, encode
from freshet.server.engine.journal import Journal
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

TARGET_SECONDS = 3.0
N_POINTS = 100_000
ROWS_PER_REQUEST = 100
SECONDS_PER_ROW = 30
MARKERS = ".js-plotly-plot .subplot.xy .scatterlayer .trace:nth-child(2) path.point"


def series(n: int) -> np.ndarray:
    """Return two columns with a spike in every five hundredth row or so, shape (n, 2)."""
    random = np.random.default_rng(0)
    values = random.normal(size=(n, 2))
    values[:, 0] += 5.0 * np.sin(np.arange(n) / 300.0)
    spikes = random.choice(n, n // 500, replace=False)
    values[spikes] += 30.0
    return values


def write_log(folder: Path, values: np.ndarray) -> None:
    """Write the verdicts as a service would: a request of many rows after the other."""
    begin = time.time() - len(values) / 10
    with contextlib.closing(Journal(folder / "freshet.sqlite")) as journal:
        entries = []
        for first in range(0, len(values), ROWS_PER_REQUEST):
            rows = values[first : first + ROWS_PER_REQUEST]
            index = first + np.arange(len(rows))
            records = np.zeros(len(rows), record_dtype)
            records["scored"] = index >= 50
            records["is_anomaly"] = records["scored"] & (rows[:, 1] > 15.0)
            records["score"] = np.where(records["is_anomaly"], 0.9, 0.2 + 0.05 * np.abs(rows[:, 1]))
            records["score"][~records["scored"]] = np.nan
            records["raw_score"] = 10.0 * records["score"]
            records["model_version"] = np.where(records["scored"], 1 + index // 1000, 0)
            records["index"] = index
            at = round(begin + first / 10, 6)
            stamps = 1.7e9 + SECONDS_PER_ROW * index.astype(float)
            entries.append(
                Entry(
                    "bench", "1", None, Rows.kind,
                    encode(Rows(rows, ["heat", "load"], stamps, at)),
                    mode="stream", received_at=at, first_index=first, n_rows=len(rows),
                    results=records.tobytes(), threshold=0.5,
                    n_anomalies=int(records["is_anomaly"].sum()),
                    n_scored=int(records["scored"].sum()), max_score=1.0, bundle=None,
                )
            )  # fmt: skip
        journal.write(entries)


def write_series(path: Path, values: np.ndarray) -> None:
    """Write the rows as a CSV file."""
    begin = np.datetime64("2024-01-01T00:00:00")
    stamps = begin + np.arange(len(values)) * np.timedelta64(SECONDS_PER_ROW, "s")
    lines = ["timestamp,heat,load"]
    for stamp, (heat, load) in zip(stamps.astype(str).tolist(), values.tolist(), strict=True):
        lines.append(f"{stamp},{heat!r},{load!r}")
    path.write_text("\n".join(lines) + "\n")


@contextlib.contextmanager
def dashboard(*arguments: str) -> Iterator[str]:
    """Run the dashboard; yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "freshet.cli", "dashboard", *arguments]
    process = subprocess.Popen(
        [*command, "--no-browser", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        while True:
            if process.poll() is not None:
                raise SystemExit(f"the dashboard ended with {process.returncode}")
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/_stcore/health"):
                break
            time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def first_paint(browser: Browser, url: str) -> float:
    """Return the seconds until a browser that has never been there shows the anomalies."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    page = context.new_page()
    began = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.wait_for_selector(MARKERS, timeout=60_000)
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    seconds = time.perf_counter() - began
    context.close()
    return seconds


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev bench dashboard", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one look at each instead of five")
    n_looks = 1 if parser.parse_args().quick else 5
    values = series(N_POINTS)
    rows: list[tuple[str, list[float]]] = []
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        write_log(folder, values)
        write_series(folder / "series.csv", values)
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for source, arguments in (
            ("the log of a service (SQLite)", ["--log", str(folder)]),
            ("a CSV file, streamed through ecod", [str(folder / "series.csv")]),
        ):
            first, again = [], []
            for _ in range(n_looks):
                with dashboard(*arguments) as url:
                    first.append(first_paint(browser, url))
                    again.append(first_paint(browser, url))
            rows += [(f"{source}, first look", first), (f"{source}, another look", again)]
        browser.close()
    print(f"\n| {N_POINTS:,} points of two columns from | median | slowest |")
    print("|---|---:|---:|")
    for what, seconds in rows:
        print(f"| {what} | {statistics.median(seconds):.2f} s | {max(seconds):.2f} s |")
    is_met = all(statistics.median(seconds) <= TARGET_SECONDS for _, seconds in rows)
    print(f"\nTarget: {TARGET_SECONDS:g} s, {'met' if is_met else 'missed'}")
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
