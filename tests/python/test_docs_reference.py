"""The reference pages list everything there is, and nothing else."""

import json
import re
from importlib import import_module

import freshet
import pytest
from docs_testing import ROOT
from freshet import _core
from freshet.cli._config import ModelConfig, TrainingConfig
from freshet.server import create_app
from server_testing import settings

REFERENCE = ROOT / "docs" / "reference"


def section(page, title):
    """Return the part of a page from a heading to the next of its level."""
    text = (REFERENCE / page).read_text(encoding="utf-8")
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)[1]


def rows(text):
    """Return the cells of the tables in a text, a list for each row."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_setting_of_a_detector_is_listed_with_its_default():
    actual = freshet.StreamingDetector(columns=["a"]).settings
    documented = {
        cells[0].strip("`"): cells[1].strip("`")
        for cells in rows(section("configuration.md", "A detector"))[2:]
    }
    assert set(documented) == set(actual)
    for name, default in actual.items():
        if isinstance(default, (int, float, str)) and name != "n_features":
            assert documented[name] == str(default)
        elif name not in ("columns", "n_features", "threshold", "backend_params"):
            assert documented[name] == "none"


def test_every_parameter_of_a_method_is_listed_with_its_default():
    documented = {}
    for methods, parameters in rows(section("configuration.md", "A method"))[2:]:
        for method in re.findall(r"`(\w+)`", methods):
            defaults = re.findall(r"`(\w+)` = (.+?)(?=, `|$)", parameters)
            documented[method] = {name: json.loads(value) for name, value in defaults}
    for method in freshet.backends():
        if method.backend == "lstm_autoencoder":
            continue  # a table of its own, which test_docs.py looks at
        actual = _core.default_parameters(method.backend)
        assert documented.get(method.backend) == actual, f"of {method.backend}"


def test_every_key_of_a_training_is_listed():
    documented = [
        cells[0].strip("`") for cells in rows(section("configuration.md", "A training"))[2:]
    ]
    assert sorted(documented) == sorted(TrainingConfig.model_fields)
    text = (ROOT / "docs" / "backends.md").read_text(encoding="utf-8")
    elsewhere = section("configuration.md", "A training")
    for name in ModelConfig.model_fields:
        assert f"`{name}`" in text or f"`{name}`" in elsewhere


def test_every_call_of_the_service_is_listed_with_its_scope(tmp_path):
    documented = {}
    for call, scope, _ in rows((REFERENCE / "rest.md").read_text(encoding="utf-8"))[2:]:
        documented[call.strip("`")] = scope or "open"
    actual = {}
    for path, methods in create_app(settings(tmp_path, log="none")).openapi()["paths"].items():
        for method, call in methods.items():
            actual[f"{method.upper()} {path}"] = call["x-scope"]
    assert documented == actual


def test_every_public_name_is_in_the_python_reference():
    text = (REFERENCE / "python.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\.\. auto\w+:: freshet\.(\w+)$", text, re.MULTILINE))
    assert "<!-- estimators -->" in text
    listed |= {name for name in freshet.__all__ if hasattr(getattr(freshet, name), "fit_predict")}
    for module in re.findall(r"^\.\. automodule:: ([\w.]+)$", text, re.MULTILINE):
        listed |= set(import_module(module).__all__)
    listed.add("__version__")
    assert set(freshet.__all__) <= listed


@pytest.mark.parametrize(
    "folder", sorted((ROOT / "include" / "freshet").glob("[a-z]*/")), ids=lambda path: path.name
)
def test_every_folder_is_in_the_cpp_reference(folder):
    page = (REFERENCE / f"cpp_{folder.name}.md").read_text(encoding="utf-8")
    assert f"<!-- headers: {folder.name} -->" in page
    assert f"(cpp_{folder.name}.md)" in (REFERENCE / "cpp.md").read_text(encoding="utf-8")
