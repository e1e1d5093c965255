"""Every block of code in the documentation runs."""

import os
import re
import shutil
import subprocess

import pytest
import requests
from docs_testing import DOCUMENTS, LANGUAGES, ROOT, blocks, name

COMPILER = os.environ.get("CXX") or shutil.which("c++") or "c++"


def no_network(*_, **__):
    raise requests.ConnectionError("tests do without a network")


def run_python_blocks(document):
    """Run them in one namespace: a later block may go on where an earlier one stopped."""
    namespace = {"__name__": "__main__"}
    for line, code in blocks(document, "python"):
        # Blank lines in front, so that an error shows the document's line.
        exec(compile("\n" * (line - 1) + code, str(document), "exec"), namespace)


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_python_blocks_run(document, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("requests.Session.send", no_network)
    run_python_blocks(document)


@pytest.mark.parametrize(
    ("document", "line", "code"),
    [
        pytest.param(document, line, code, id=f"{name(document)}:{line}")
        for document in DOCUMENTS
        for line, code in blocks(document, "cpp")
    ],
)
def test_cpp_blocks_compile_and_run(document, line, code, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    if document.name == "from_python_to_cpp.md":
        run_python_blocks(document)  # they write what the program reads
    source = tmp_path / "block.cpp"
    source.write_text(f'#line {line} "{document}"\n{code}', encoding="utf-8")
    program = tmp_path / "block"
    # Where Debian and Fedora have Eigen.
    eigen = ["-isystem", "/usr/include/eigen3"]
    command = [COMPILER, "-std=c++20", "-O0", "-Wall", "-Wextra", "-Werror", "-pthread"]
    command += ["-I", str(ROOT / "include"), *eigen, str(source), "-o", str(program)]
    compiled = subprocess.run(command, check=False, capture_output=True, text=True)
    assert compiled.returncode == 0, compiled.stderr
    subprocess.run([str(program)], check=True, capture_output=True, timeout=60, cwd=tmp_path)


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_no_block_is_in_a_language_that_is_not_tested(document):
    text = document.read_text(encoding="utf-8")
    languages = re.findall(r"^(?:```|~~~)(.+)$", text, re.MULTILINE)
    assert {one.split()[0] for one in languages} <= LANGUAGES


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_links_within_the_repository_lead_somewhere(document):
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", text):
        assert (document.parent / target).exists(), f"{name(document)} links to {target}"


def test_every_error_id_is_documented():
    header = (ROOT / "include" / "freshet" / "core" / "error.hpp").read_text(encoding="utf-8")
    codes = re.search(r"enum class ErrorCode[^{]*{(.*?)};", header, re.DOTALL).group(1)
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    documented = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    exceptions = {"ConfigurationError", "DataError", "NotReadyError", "FitError", "SnapshotError"}
    exceptions |= {"UnknownStreamError", "ModelFileError", "DatasetError"}
    only_in_python = {"series_unknown", "series_unavailable", "value_not_numeric"}
    ids = re.findall(r"^\s*(\w+),", codes, re.MULTILINE)
    assert sorted(set(documented) - exceptions) == sorted({*ids, *only_in_python})
    assert len(documented) == len(set(documented))


def test_every_backend_is_documented():
    import freshet

    text = (ROOT / "docs" / "backends.md").read_text(encoding="utf-8")
    for backend in freshet.backends():
        assert f"## {backend.name}\n" in text
        for parameter in backend.parameters:
            assert f"`{parameter}" in text
