"""The dashboard in a browser: what people see and do."""

import csv
import io
import json
import re
from contextlib import closing

import pytest
from dashboard_process import TIMEOUT, browser, click, dashboard, looking, markers, metric  # noqa: F401
from dashboard_testing import entries, write_spikes
from freshet.server.engine.journal import Journal
from freshet.server.keys import KeyFile
from playwright.sync_api import expect
from service_process import ServiceProcess

expect.set_options(timeout=TIMEOUT)


@pytest.fixture(scope="module")
def journal(tmp_path_factory):
    """The journal of a service, with two streams."""
    path = tmp_path_factory.mktemp("log") / "data" / "freshet.sqlite"
    with closing(Journal(path)) as one:
        one.write([*entries(300, anomalies=(120, 250)), *entries(60, "other")])
        yield one


@pytest.fixture(scope="module")
def log_url(journal):
    """A dashboard that shows it."""
    with dashboard(journal.path.parent.parent, "--log", "data") as url:
        yield url


@pytest.fixture(scope="module")
def series_url(tmp_path_factory):
    """A dashboard that shows a file."""
    folder = tmp_path_factory.mktemp("series")
    write_spikes(folder / "spikes.csv")
    with dashboard(folder, "spikes.csv") as url:
        yield url


@pytest.fixture
def page(browser, log_url):  # noqa: F811
    with looking(browser, log_url) as one:
        choose(one, "Stream", "sensor")
        yield one


def choose(page, label, option):
    """Choose from a list, which shows by itself what comes while it is open."""
    # Opened once: opening it again would hide that a refresh closes it.
    page.get_by_role("combobox", name=label).click()
    page.get_by_role("option", name=option, exact=True).click()


def chart_text(page):
    return page.locator(".js-plotly-plot").first.inner_text()


# ---- looking -------------------------------------------------------------------------------------


def test_a_stream_is_chosen_and_shown(browser, log_url):  # noqa: F811
    with looking(browser, log_url) as page:
        # The first by name.
        expect(page.get_by_role("heading", name="other")).to_be_visible()
        expect(metric(page, "Points in view")).to_have_text("60")
        choose(page, "Stream", "sensor")
        expect(page.get_by_role("heading", name="sensor")).to_be_visible()
        expect(metric(page, "Points in view")).to_have_text(re.compile("^3[0-9]0$"))
        expect(markers(page)).to_have_count(2)
        text = chart_text(page)
        for part in ("v1", "v2", "v3", "cold start", "threshold 0.5", "heat", "load", "score",
                     "anomaly rate", "model swap"):  # fmt: skip
            assert part in text


def test_an_anomaly_is_clicked_and_explained(page):
    expect(markers(page)).to_have_count(2)
    click(page, markers(page).last)
    picker = page.get_by_role("combobox", name=re.compile("anomalies in view"))
    expect(picker).to_have_value(re.compile("row 250"))
    expect(page.get_by_text("Contributions to the raw score")).to_be_visible()
    expect(page.get_by_text("The source holds verdicts, not the model.")).to_be_visible()
    expect(page.locator(".js-plotly-plot")).to_have_count(2)
    bars = page.locator(".js-plotly-plot").last.inner_text()
    assert "heat" in bars
    assert "+" in bars
    assert "chosen row" in chart_text(page)


def test_an_anomaly_is_chosen_by_keyboard(page):
    expect(markers(page)).to_have_count(2)
    picker = page.get_by_test_id("stSelectbox").filter(has_text="anomalies in view")
    picker.get_by_role("combobox").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Contributions to the raw score")).to_be_visible()
    expect(picker.get_by_role("combobox")).to_have_value(re.compile("row 120"))


def test_the_table_is_filtered_and_exported(page):
    expect(page.get_by_text("300 rows of 300 in view match")).to_be_visible()
    page.get_by_role("button", name="normal").click()
    page.get_by_role("button", name="cold start").click()
    expect(page.get_by_text(re.compile("^2 rows of 300 in view match"))).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="2 rows as CSV", exact=True).click()
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text())))
    assert [row["row"] for row in rows] == ["120", "250"]
    assert {row["label"] for row in rows} == {"anomaly"}
    with page.expect_download() as download:
        page.get_by_role("button", name="2 rows as JSONL", exact=True).click()
    lines = download.value.path().read_text().splitlines()
    assert [json.loads(line)["heat"] for line in lines] == [9.0, 9.0]
    choose(page, "Model", "v3")
    expect(page.get_by_text(re.compile("^1 row of 300 in view match"))).to_be_visible()


def test_a_range_is_chosen(page):
    expect(metric(page, "Points in view")).to_have_text("300")
    choose(page, "Range", "Last minute")
    expect(metric(page, "Points in view")).to_have_text("61")
    expect(markers(page)).to_have_count(1)
    page.get_by_role("radio", name="row").click()
    expect(page.locator(".js-plotly-plot").first).to_contain_text("260")


def test_charts_are_told_in_words(page):
    expect(markers(page)).to_have_count(2)
    said = page.locator("[aria-label*='300 points from']")
    expect(said.first).to_be_attached()
    assert "2 anomalies" in said.first.get_attribute("aria-label")
    page.get_by_text("What the chart shows, in words").click()
    expect(page.get_by_role("listitem").filter(has_text="from version 1 to 3")).to_be_visible()


# ---- live ----------------------------------------------------------------------------------------


def test_points_that_come_appear_by_themselves(browser, log_url, journal):  # noqa: F811
    journal.write(entries(100, "live"))
    with looking(browser, log_url) as page:
        choose(page, "Stream", "live")
        expect(metric(page, "Points in view")).to_have_text("100")
        expect(markers(page)).to_have_count(0)
        for i in range(3):
            first = 100 + 10 * i
            journal.write(entries(10, "live", first=first, anomalies=(first + 5,)))
            expect(metric(page, "Points in view")).to_have_text(str(first + 10))
            expect(markers(page)).to_have_count(i + 1)


def test_what_is_chosen_stays_while_points_come(browser, log_url, journal):  # noqa: F811
    journal.write(entries(200, "stays", anomalies=(150,)))
    with looking(browser, log_url) as page:
        choose(page, "Stream", "stays")
        expect(markers(page)).to_have_count(1)
        click(page, markers(page).first)
        picker = page.get_by_role("combobox", name=re.compile("in view"))
        expect(picker).to_have_value(re.compile("row 150"))
        journal.write(entries(10, "stays", first=200, anomalies=(205,)))
        expect(metric(page, "Points in view")).to_have_text("210")
        expect(picker).to_have_value(re.compile("row 150"))
        expect(page.get_by_text("Contributions to the raw score")).to_be_visible()


def test_the_list_stays_open_and_the_stream_chosen_while_others_come(
    browser,  # noqa: F811
    log_url,
    journal,
):
    journal.write(entries(100, "grows"))
    with looking(browser, log_url) as page:
        choose(page, "Stream", "grows")
        expect(metric(page, "Points in view")).to_have_text("100")
        page.get_by_role("combobox", name="Stream").click()
        # The first by name, which moves all others in a sorted list.
        journal.write([*entries(10, "grows", first=100), *entries(10, "a new one")])
        found = page.get_by_role("option", name="a new one", exact=True)
        expect(found).to_be_visible()
        # The page knows by now that the chosen one has grown. What comes later shows that it is
        # still this one, whatever the browser has not drawn yet.
        journal.write(entries(10, "grows", first=110))
        expect(metric(page, "Points in view")).to_have_text("120")
        found.click()
        expect(page.get_by_role("heading", name="a new one")).to_be_visible()


# ---- series --------------------------------------------------------------------------------------


def test_a_series_is_explained_by_its_own_detector(browser, series_url):  # noqa: F811
    with looking(browser, series_url) as page:
        expect(page.get_by_role("heading", name="spikes")).to_be_visible()
        expect(markers(page).first).to_be_visible()
        tallest = min(markers(page).all(), key=lambda one: one.bounding_box()["y"])
        click(page, tallest)
        expect(page.get_by_text("By the ecod model that scored this row")).to_be_visible()


def test_another_backend_gives_other_verdicts(browser, series_url):  # noqa: F811
    with looking(browser, series_url) as page:
        before = metric(page, "Latest score")
        expect(before).to_be_visible()
        held = before.inner_text()
        choose(page, "Backend", "loda")
        expect(metric(page, "Latest score")).not_to_have_text(held)


# ---- states --------------------------------------------------------------------------------------


def test_an_empty_log_says_what_to_do_and_fills(browser, tmp_path):  # noqa: F811
    with (
        closing(Journal(tmp_path / "freshet.sqlite")) as one,
        dashboard(tmp_path, "--log", tmp_path) as url,
        looking(browser, url) as page,
    ):
        expect(page.get_by_role("heading", name="No predictions yet")).to_be_visible()
        expect(page.get_by_text("curl -s")).to_be_visible()
        one.write(entries(100))
        expect(page.get_by_role("heading", name="sensor")).to_be_visible()


def test_what_is_missing_is_told_and_found_when_it_comes(browser, tmp_path):  # noqa: F811
    with dashboard(tmp_path, "spikes.csv") as url, looking(browser, url) as page:
        expect(page.get_by_role("heading", name="Nothing there")).to_be_visible()
        expect(page.get_by_text("There is no spikes.csv")).to_be_visible()
        write_spikes(tmp_path / "spikes.csv")
        page.get_by_role("button", name="Try again").click()
        expect(page.get_by_role("heading", name="spikes")).to_be_visible()


def test_a_damaged_file_is_told(browser, tmp_path):  # noqa: F811
    (tmp_path / "x.csv").write_text("a,b\n1,2\n1,oops\n")
    with dashboard(tmp_path, "x.csv") as url, looking(browser, url) as page:
        expect(page.get_by_role("heading", name="Not readable")).to_be_visible()
        expect(page.get_by_text("line 3")).to_be_visible()


def test_a_service_without_a_key_is_no_permission_and_without_an_answer_stale(
    browser,  # noqa: F811
    tmp_path,
):
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    KeyFile(data_dir / "api-keys.json").create("some", ["read"])
    service = ServiceProcess(data_dir, auth="required")
    with service, dashboard(tmp_path, "--url", service.url) as url, looking(browser, url) as page:
        expect(page.get_by_role("heading", name="No permission")).to_be_visible()
        expect(page.get_by_text("--api-key")).to_be_visible()
        service.stop()
        expect(page.get_by_role("heading", name="No answer")).to_be_visible()


def test_a_log_that_vanishes_leaves_what_was_shown(browser, tmp_path):  # noqa: F811
    write_spikes(tmp_path / "spikes.csv")
    with dashboard(tmp_path, "spikes.csv") as url, looking(browser, url) as page:
        expect(metric(page, "Points in view")).to_have_text("600")
        (tmp_path / "spikes.csv").unlink()
        expect(page.get_by_text("What is shown is of before.")).to_be_visible()
        expect(metric(page, "Points in view")).to_have_text("600")
