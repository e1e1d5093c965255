"""The notebooks run, and print what they are committed with."""

import base64
import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))
LARGEST_PICTURE = 100_000  # bytes

_spec = importlib.util.spec_from_file_location("run", ROOT / "examples" / "notebooks" / "run.py")
run = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(run)


def texts(notebook):
    """Return what each cell prints, but for those whose figures depend on the machine."""
    return [
        "".join(output.text for output in cell.outputs if output.output_type == "stream")
        for cell in notebook.cells
        if cell.cell_type == "code" and "varies" not in cell.metadata.get("tags", [])
    ]


def pictures(notebook):
    """Yield each picture with its text alternative."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                alternative = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
                yield base64.b64decode(output.data["image/png"]), alternative


def test_there_are_notebooks():
    names = {"quick_start", "choosing_a_backend", "lstm_autoencoder", "migrating_from_pyod"}
    assert {path.stem for path in NOTEBOOKS} == names


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs_and_prints_the_same(path):
    committed = run.read(path)
    anew = run.executed(path)
    assert texts(anew) == texts(committed)
    assert any(texts(committed))
    assert len(list(pictures(anew))) == len(list(pictures(committed)))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_pictures_are_small_and_described(path):
    found = list(pictures(run.read(path)))
    assert found
    for picture, alternative in found:
        assert len(picture) < LARGEST_PICTURE
        assert len(alternative) > 40, "a sentence that says what is to be seen"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_of_no_machine(path):
    notebook = run.read(path)
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1)), "run in order, in one go"
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            assert output.get("name") != "stderr"
            assert "/" not in output.get("text", "").replace("freshet/", "")
    assert notebook.metadata["language_info"] == {"name": "python"}
