"""Commands and configurations in the documentation are what the programs take."""

import contextlib
import gzip
import json
import re
import shlex
import shutil
import subprocess

import httpx
import pytest
import yaml
from cli_testing import run, write_csv, write_nab
from docs_testing import DOCUMENTS, ROOT, blocks, name
from freshet import StreamingDetector
from freshet.cli._config import read_config
from freshet.server.configuration import read_settings
from freshet.server.problems import ProblemDocument
from nab_testing import use_small_catalog, write_tree
from server_testing import listening, settings

#: docs/cli.md has a test of its own.
PAGES = [page for page in DOCUMENTS if name(page) != "docs/cli.md"]
#: Commands of others; their blocks are only checked to be shell.
OTHERS = {".", "cat", "cp", "docker", "git", "mkdir", "python3", "redis-server", "tail"}
#: What would not end, and the option by which only its options are looked at.
ENDLESS = {"dashboard": "--help", "serve": "--print-config"}
#: What ends with an error when it is run here: the key is an example.
FAILING = {"freshet keys revoke 3f0c9a11d2e4"}


def with_blocks(language):
    return [page for page in PAGES if any(blocks(page, language))]


# ---- commands ----


def commands(block):
    """Yield the words of each command in a block, and the file that its output goes to."""
    variables = {}
    for line in block.replace("\\\n", " ").splitlines():
        for variable, value in variables.items():
            line = line.replace(f"${variable}", value)
        lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;<>")
        lexer.whitespace_split = True
        words = list(lexer)
        if len(words) == 1 and (assigned := re.fullmatch(r"(\w+)=(.*)", words[0])):
            variables[assigned[1]] = assigned[2]
            continue
        while words:
            end = next((i for i, word in enumerate(words) if word in ("&&", "|", ";")), len(words))
            command, words = words[:end], words[end + 1 :]
            target = None
            if ">" in command:
                at = command.index(">")
                command, target = command[:at], command[at + 1]
            yield command, target


def check_freshet(words, target):
    """Run a command, or look at its options if it would not end."""
    if words[0] in ENDLESS:
        words = [*words, ENDLESS[words[0]]]
    done = run(*words)
    has_failed = " ".join(["freshet", *words]) in FAILING
    assert done.exit_code == has_failed, f"freshet {shlex.join(words)}: {done.output}"
    if target is not None:
        with open(target, "w", encoding="utf-8") as file:
            file.write(done.stdout)


def check_dev(words):
    script = (ROOT / "dev").read_text(encoding="utf-8")
    documented = re.findall(r"^  (\w+(?: \w+)?)  +\S", script, re.MULTILINE)
    assert words[0] in documented
    if words[0] == "test" and len(words) > 1:
        assert " ".join(words[:2]) in documented


def check_pip(words):
    [extras] = re.findall(r"\[(.*)\]", words[-1]) or [""]
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    known = re.findall(r"^(\w+) = \[", project.split("[project.optional-dependencies]")[1], re.M)
    assert words[0] == "install"
    assert re.fullmatch(r"\.(\[.*\])?", words[-1]), "commands are for somebody with a clone"
    assert set(filter(None, extras.split(","))) <= set(known)


def check_preset(words):
    presets = json.loads((ROOT / "CMakePresets.json").read_text(encoding="utf-8"))
    names = {
        preset["name"] for kind in presets.values() if isinstance(kind, list) for preset in kind
    }
    assert words[words.index("--preset") + 1] in names


def check_curl(words, url):
    """Send what curl would, to a service that listens at `url`."""
    method, headers, body, address = "GET", {}, None, None
    words = iter(words)
    for word in words:
        if word == "-X":
            method = next(words)
        elif word == "-H":
            header, _, value = next(words).partition(": ")
            headers[header] = value
        elif word == "-d":
            body = next(words)
        elif word == "-o":
            next(words)
        else:
            assert address is None, f"{word} is neither an option that this test knows nor the URL"
            address = word
    path = re.sub(r"^http://localhost:\d+", "", address)
    answer = httpx.request(method, url + path, headers=headers, content=body, timeout=30)
    assert answer.is_success, f"curl {address}: {answer.status_code} {answer.text}"


def start_service(directory):
    """Return a context with the URL of a service that keeps everything in a directory."""
    (directory / "models").mkdir(exist_ok=True)
    return listening(settings(directory / "service", models_dir=directory / "models"))


@pytest.fixture
def workplace(monkeypatch, tmp_path):
    """Change to a directory with what the pages take for given, on a small scale."""
    monkeypatch.chdir(tmp_path)
    use_small_catalog(monkeypatch)
    monkeypatch.setenv("FRESHET_DATA", str(write_tree(tmp_path / "mirror")))
    write_nab(tmp_path / "nab")
    write_csv(tmp_path / "data.csv")
    with gzip.open("numenta.csv.gz", "wt") as file:
        file.write("file,row,anomaly_score\n")
        file.writelines(f"own/small.csv,{row},{row % 7 / 7}\n" for row in range(120))
    training = (ROOT / "examples" / "train.yaml").read_text(encoding="utf-8")
    (tmp_path / "examples").mkdir()
    # The reader and the path of the example, but not its fifteen seconds.
    shortened = training.replace("epochs: 60 ", "epochs: 1 ").replace("_size: 32 ", "_size: 4 ")
    (tmp_path / "examples" / "train.yaml").write_text(shortened, encoding="utf-8")
    (tmp_path / "data").mkdir()
    return tmp_path


@pytest.mark.parametrize("page", with_blocks("sh"), ids=name)
def test_commands_work(page, workplace):
    for _, text in blocks(page, "yaml"):
        (workplace / "evaluation.yaml").write_text(text, encoding="utf-8")
    for line, block in blocks(page, "sh"):
        subprocess.run(["bash", "-n"], input=block, text=True, check=True)
        with contextlib.ExitStack() as services:
            url = None
            for words, target in commands(block):
                program = words[0].rpartition("/")[2]
                if program == "freshet":
                    check_freshet(words[1:], target)
                elif program == "curl":
                    url = url or services.enter_context(start_service(workplace))
                    check_curl(words[1:], url)
                elif program == "dev":
                    check_dev(words[1:])
                elif program == "pip":
                    check_pip(words[1:])
                elif program.startswith("freshet_example_"):
                    source = program.removeprefix("freshet_example_")
                    assert (ROOT / "examples" / "cpp" / f"{source}.cpp").exists()
                elif program in ("cmake", "ctest"):
                    check_preset(words)
                else:
                    assert program in OTHERS, f"{name(page)}:{line}: how is {program} checked?"


# ---- configurations ----


@pytest.mark.parametrize("page", with_blocks("yaml"), ids=name)
def test_yaml_is_read(page, tmp_path):
    for _, text in blocks(page, "yaml"):
        content = yaml.safe_load(text)
        if "detector" in content:
            for detector in content["detector"].values():
                StreamingDetector(**detector)
        else:
            path = tmp_path / "train.yaml"
            path.write_text(text, encoding="utf-8")
            assert read_config(path).model_fields_set == set(content)


@pytest.mark.parametrize("page", with_blocks("toml"), ids=name)
def test_toml_is_read(page, tmp_path):
    for _, text in blocks(page, "toml"):
        path = tmp_path / "freshet.toml"
        path.write_text(text, encoding="utf-8")
        given = read_settings(path).model_fields_set
        assert given == set(re.findall(r"^(\w+) =", text, re.MULTILINE))


@pytest.mark.parametrize("page", with_blocks("json"), ids=name)
def test_json_is_what_the_service_writes(page):
    for _, text in blocks(page, "json"):
        content = json.loads(text)
        if "type" in content:
            problem = ProblemDocument.model_validate(content)
            assert set(content) <= set(ProblemDocument.model_fields), problem
        else:
            assert {"timestamp", "level", "event"} <= set(content), "a line of the log"


def test_cmake_blocks_configure(tmp_path):
    found = {block for page in with_blocks("cmake") for _, block in blocks(page, "cmake")}
    assert found
    (tmp_path / "third_party").mkdir()
    (tmp_path / "third_party" / "freshet").symlink_to(ROOT)
    (tmp_path / "main.cpp").write_text("int main() {}\n", encoding="utf-8")
    for block in found:
        project = "cmake_minimum_required(VERSION 3.22)\nproject(example LANGUAGES CXX)\n"
        project += f"add_executable(my_program main.cpp)\n{block}"
        (tmp_path / "CMakeLists.txt").write_text(project, encoding="utf-8")
        shutil.rmtree(tmp_path / "build", ignore_errors=True)
        subprocess.run(
            ["cmake", "-S", str(tmp_path), "-B", str(tmp_path / "build")],
            check=True,
            capture_output=True,
            timeout=100,
        )
