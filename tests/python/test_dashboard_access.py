"""The dashboard in either theme, in a narrow window and by keyboard."""

import itertools
import re

import pytest
from dashboard_process import TIMEOUT, browser, dashboard, looking, markers  # noqa: F401
from dashboard_testing import write_spikes
from freshet.dashboard.palette import DARK, LIGHT, contrast
from playwright.sync_api import expect

expect.set_options(timeout=TIMEOUT)

#: The colours of a text and of what is behind it, as they are mixed with what is below.
SEEN = """one => {
  const parts = text => (text.match(/[0-9.]+/g) || []).map(Number);
  const mix = (above, share, below) =>
    above.slice(0, 3).map((part, i) => part * share + below[i] * (1 - share));
  const ancestors = [];
  for (let up = one; up; up = up.parentElement) ancestors.unshift(up);
  let behind = [255, 255, 255], opacity = 1;
  for (const each of ancestors) {
    const style = getComputedStyle(each), colour = parts(style.backgroundColor);
    opacity *= parseFloat(style.opacity);
    behind = mix(colour, (colour[3] ?? 1) * opacity, behind);
  }
  const style = getComputedStyle(one);
  const colour = parts(one instanceof SVGElement ? style.fill : style.color);
  const text = mix(colour, (colour[3] ?? 1) * opacity, behind);
  return [text, behind].map(each => `rgb(${each.map(Math.round)})`);
}"""

#: What has the focus: its name, and how far left and right it is.
FOCUSED = """() => {
  const one = document.activeElement, box = one.getBoundingClientRect();
  return [one.getAttribute("aria-label") || one.innerText, box.left, box.right];
}"""


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """A dashboard that shows a file, which makes thirty models."""
    folder = tmp_path_factory.mktemp("series")
    write_spikes(folder / "spikes.csv", 3000)
    with dashboard(folder, "spikes.csv") as one:
        yield one


def hexadecimal(colour):
    return "#" + "".join(f"{int(part):02x}" for part in re.findall(r"[\d.]+", colour)[:3])


def seen_contrast(locator):
    return contrast(*map(hexadecimal, locator.evaluate(SEEN)))


@pytest.mark.parametrize(("theme", "colours"), [("light", LIGHT), ("dark", DARK)])
def test_texts_have_contrast_in_both_themes(browser, url, theme, colours):  # noqa: F811
    with looking(browser, url, theme=theme) as page:
        expect(markers(page).first).to_be_visible()
        app = page.get_by_test_id("stApp")
        background = app.evaluate("one => getComputedStyle(one).backgroundColor")
        assert hexadecimal(background) == colours.background
        fill = markers(page).first.evaluate("one => getComputedStyle(one).fill")
        assert hexadecimal(fill) == colours.anomaly
        for selector in (
            "[data-testid='stMetricLabel'] p",
            "[data-testid='stMetricValue']",
            "[data-testid='stCaptionContainer'] p",
            "[data-testid='stWidgetLabel'] p",
            "[data-testid='stSidebar'] [data-selected='true'] p",
            "[data-testid='stMain'] [data-selected='true'] p",
            "h2",
            "h3",
            ".js-plotly-plot .xtick text",
        ):
            assert seen_contrast(page.locator(selector).first) >= 4.5, selector


def test_what_is_selected_is_not_told_by_colour_alone(browser, url):  # noqa: F811
    with looking(browser, url) as page:
        for role, name, line in (
            ("radio", "time", "underline"),
            ("radio", "row", "none"),
            ("button", "normal", "underline"),
        ):
            text = page.get_by_role(role, name=name).locator("p")
            expect(text).to_have_css("text-decoration-line", line)
        page.get_by_role("button", name="normal").click()
        text = page.get_by_role("button", name="normal").locator("p")
        expect(text).to_have_css("text-decoration-line", "none")


def test_a_narrow_window_has_room_for_everything(browser, url):  # noqa: F811
    with looking(browser, url) as page:
        page.set_viewport_size({"width": 420, "height": 900})
        page.reload()
        expect(markers(page).first).to_be_visible()
        assert page.get_by_test_id("stPlotlyChart").first.bounding_box()["width"] >= 380
        is_wide = "one => one.scrollWidth > one.clientWidth"
        assert not page.get_by_test_id("stMain").evaluate(is_wide)
        names = page.locator(".js-plotly-plot .textpoint").filter(has_text=re.compile(r"^v\d+$"))
        boxes = sorted((one.bounding_box() for one in names.all()), key=lambda box: box["x"])
        assert len(boxes) >= 5
        for left, right in itertools.pairwise(boxes):
            assert left["x"] + left["width"] < right["x"]


def test_what_has_the_focus_is_in_the_window(browser, url):  # noqa: F811
    with looking(browser, url) as page:
        page.set_viewport_size({"width": 420, "height": 900})
        page.reload()
        expect(markers(page).first).to_be_visible()
        names = []
        while "Expand sidebar" not in names:
            page.keyboard.press("Tab")
            name, left, right = page.evaluate(FOCUSED)
            names.append(name)
            assert left >= 0, names
            assert right <= 420, names
            assert len(names) < 20, names
        page.keyboard.press("Enter")
        expect(page.get_by_role("combobox", name="Stream")).to_be_in_viewport()


def test_a_row_is_ticked_by_keyboard(browser, url):  # noqa: F811
    with looking(browser, url) as page:
        expect(markers(page).first).to_be_visible()
        page.get_by_test_id("data-grid-canvas").focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Shift+Space")
        expect(page.get_by_text("Contributions to the raw score")).to_be_visible()
