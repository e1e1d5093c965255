"""The page as Streamlit runs it, without a browser."""

from pathlib import Path

import freshet.dashboard
import pytest
import streamlit as st
from freshet.dashboard.options import Options
from server_testing import listening, settings
from services_testing import free_port
from streamlit.testing.v1 import AppTest

PAGE = Path(freshet.dashboard.__file__).with_name("page.py")


@pytest.fixture
def shown(monkeypatch):
    """Run the page with options; return what it shows."""

    def run(options):
        monkeypatch.setenv("FRESHET_DASHBOARD", "")  # Puts back what was there.
        options.to_environment()
        st.cache_resource.clear()
        st.cache_data.clear()
        page = AppTest.from_file(str(PAGE), default_timeout=60).run()
        assert not page.exception
        return page

    return run


def texts(page):
    return " ".join(str(one.proto) for part in (page.main, page.sidebar) for one in part)


@pytest.mark.parametrize(
    "options",
    [
        Options(log="postgresql+psycopg://me:geheim@127.0.0.1:{port}/x"),
        Options(log="mongodb://me:geheim@127.0.0.1:{port}/x?serverSelectionTimeoutMS=100"),
        Options(log="postgres+nodriver://me:geheim@127.0.0.1:{port}/x"),
        Options(url="http://me:geheim@127.0.0.1:{port}/"),
        Options(url="http://127.0.0.1:{port}/?api_key=geheim"),
    ],
    ids=["sql", "mongodb", "no driver", "service", "query"],
)
def test_passwords_are_not_shown_where_nothing_answers(shown, options):
    place = (options.log or options.url).format(port=free_port())
    page = shown(Options(log=place) if options.log else Options(url=place))
    assert [one.value.split()[-1] for one in page.subheader] in (["answer"], ["readable"])
    assert "geheim" not in texts(page)


def test_passwords_are_not_shown_where_there_is_nothing_yet(shown, tmp_path):
    with listening(settings(tmp_path)) as url:
        page = shown(Options(url=url.replace("://", "://me:geheim@")))
        assert "No predictions yet" in page.subheader[0].value
        assert "me" in texts(page)
        assert "geheim" not in texts(page)
