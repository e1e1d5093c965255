"""The dashboard as a process of its own, and a browser that looks at it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from services_testing import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: What a test waits for anything, in ms: much more than it takes, for machines that are busy.
TIMEOUT = 30_000


@contextlib.contextmanager
def dashboard(folder: Path, *arguments: Any) -> Iterator[str]:
    """Run ``freshet dashboard`` in a folder; yield its address."""
    port = free_port()
    log = folder / f"dashboard-{port}.log"
    command = [sys.executable, "-m", "freshet.cli", "dashboard", *map(str, arguments)]
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*command, "--port", str(port), "--no-browser"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env={k: v for k, v in os.environ.items() if not k.startswith("FRESHET_")},
        )
    url = f"http://127.0.0.1:{port}"
    try:
        while not _is_ready(url):
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
    assert "Traceback" not in log.read_text(), log.read_text()


def _is_ready(url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{url}/_stcore/health", timeout=5.0).status_code == 200
    return False


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, as Debian has it."""
    with sync_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("chromium-browser")
        one = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield one
        one.close()


@contextlib.contextmanager
def looking(browser: Browser, url: str, *, theme: str = "light") -> Iterator[Page]:
    """Open a page; fail if it fetches anything from elsewhere."""
    context = browser.new_context(
        viewport={"width": 1440, "height": 1400}, color_scheme=theme, accept_downloads=True
    )  # type: ignore[arg-type]
    context.set_default_timeout(TIMEOUT)
    page = context.new_page()
    elsewhere: list[str] = []
    page.on("request", lambda request: _note(request.url, url, elsewhere))
    page.goto(url)
    try:
        yield page
    finally:
        context.close()
    assert elsewhere == []


def _note(address: str, url: str, elsewhere: list[str]) -> None:
    if not address.startswith((url, url.replace("http", "ws"), "data:", "blob:")):
        elsewhere.append(address)


def markers(page: Page) -> Any:
    """The anomalies of the first lane of the chart."""
    return page.locator(".js-plotly-plot .subplot.xy .scatterlayer .trace:nth-child(2) path.point")


def metric(page: Page, label: str) -> Any:
    """The value of a number at the top."""
    found = page.get_by_test_id("stMetric").filter(has_text=label)
    return found.get_by_test_id("stMetricValue")


def click(page: Page, marker: Any) -> None:
    """Click a marker as people do: when the page is still, and after getting there."""
    box = None
    while box is None or box != marker.bounding_box():
        box = marker.bounding_box()
        page.wait_for_timeout(500)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x - 3, y)
    page.mouse.move(x, y, steps=3)
    page.locator(".js-plotly-plot .hoverlayer .hovertext").first.wait_for()
    page.mouse.click(x, y)
