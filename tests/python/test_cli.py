"""The program freshet: what it prints, and how it ends."""

import json
import re
import signal
import subprocess
import sys
import sysconfig
import threading
from pathlib import Path

import freshet
import pytest
import typer
from freshet.cli import _errors, app, download
from nab_testing import (
    LABELS_PATH,
    SMALL,
    WINDOW,
    serving,
    use_own_cache,
    use_server,
    use_small_catalog,
    write_tree,
)
from typer.testing import CliRunner

PROGRAM = Path(sysconfig.get_path("scripts")) / "freshet"


def run(*arguments, application=app):
    return CliRunner().invoke(application, [str(argument) for argument in arguments])


def run_program(*arguments, **options):
    command = [str(PROGRAM), *map(str, arguments)]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=60, **options
    )


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return use_own_cache(monkeypatch, tmp_path / "cache")


@pytest.fixture
def server(cache, monkeypatch):
    use_small_catalog(monkeypatch)
    with serving() as running:
        use_server(monkeypatch, running)
        yield running


@pytest.fixture
def mirror(cache, tmp_path):
    """A mirror of a series that is not pinned, with content of our own."""
    labels = json.dumps({"realTraffic/speed_6005.csv": [WINDOW]})
    content = {"data/realTraffic/speed_6005.csv": SMALL.encode(), LABELS_PATH: labels.encode()}
    return write_tree(tmp_path / "mirror", content)


# ---- the program ---------------------------------------------------------------------------------


def test_the_program_says_its_version():
    done = run_program("--version")
    assert (done.returncode, done.stdout) == (0, f"freshet {freshet.__version__}\n")


@pytest.mark.parametrize("option", ["--help", "-h"])
@pytest.mark.parametrize(
    ("command", "example"),
    [
        ([], "freshet download nyc_taxi --out data/nyc_taxi.csv"),
        (["download"], "freshet download all --out data --mirror ../NAB"),
        (["backends"], "freshet backends --format json"),
    ],
)
def test_the_help_has_examples_on_lines_of_their_own(command, option, example):
    result = run(*command, option)
    assert result.exit_code == 0
    assert "Examples:" in result.stdout
    assert f"    {example}\n" in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["--nonsense"],
        ["download"],
        ["download", "--nonsense"],
        ["download", "nyc_taxi", "--out"],
        ["backends", "more"],
        [],
    ],
)
def test_a_usage_error_ends_with_2(arguments):
    done = run_program(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert re.match("(Usage: freshet|Error: )", done.stderr)
    assert "Traceback" not in done.stderr


def test_the_program_puts_a_series_where_it_is_asked_to(mirror, tmp_path):
    done = run_program("download", "speed_6005", "--mirror", mirror, "--out", "deep/speed.csv")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "deep/speed.csv: 3 points, 1 labelled window in deep/combined_windows.json\n"
    )
    assert (tmp_path / "deep" / "speed.csv").read_text() == SMALL


def test_the_program_ends_with_1_and_a_message_where_freshet_refuses(mirror):
    (mirror / "data/realTraffic/speed_6005.csv").write_text("nothing")
    done = run_program("download", "speed_6005", "--mirror", mirror)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"freshet: {mirror}/data/realTraffic/speed_6005.csv is empty")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("package", ["typer", "rich"])
def test_without_the_extra_the_program_says_how_to_install_it(tmp_path, monkeypatch, package):
    (tmp_path / f"{package}.py").write_text(
        f"raise ModuleNotFoundError('hidden', name={package!r})\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    # Typer is imported at once, rich when the table is made.
    done = run_program("backends")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "freshet: the command line needs more packages: pip install 'freshet[cli]'\n"
    )


def test_a_damaged_installation_is_not_mistaken_for_a_missing_extra(monkeypatch):
    monkeypatch.delitem(sys.modules, "freshet.cli")
    monkeypatch.setitem(sys.modules, "freshet.cli.backends", None)
    from freshet._command import main

    with pytest.raises(ImportError, match="backends"):
        main()


def test_interrupted_it_ends_quietly(server):
    server.content["data/realKnownCause/nyc_taxi.csv"] = b"x" * 40_000
    server.breaks_after = 20_000
    server.hangs = threading.Event()
    command = [str(PROGRAM), "download", "nyc_taxi", "--mirror", f"{server.url}/raw"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        assert server.reached.wait(60)
        program.send_signal(signal.SIGINT)
        output, errors = program.communicate(timeout=60)
    assert (program.returncode, output, errors) == (130, b"", b"")


def test_a_reader_that_has_had_enough_is_no_error(server):
    command = [str(PROGRAM), "download", "--list"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        program.stdout.close()
        assert program.stderr.read() == b""


def commands(group=None):
    """Yield the names of every command there is, as they are typed."""
    for name, command in (group or typer.main.get_command(app)).commands.items():
        if hasattr(command, "commands"):
            yield from ([name, *more] for more in commands(command))
        else:
            yield [name]


@pytest.mark.parametrize("command", list(commands()), ids=" ".join)
def test_every_command_has_examples_of_itself(command):
    text = run(*command, "--help").stdout
    examples = text.partition("Examples:")[2]
    assert f"freshet {' '.join(command)}" in examples


def test_starting_is_light():
    code = (
        "import sys, freshet.cli; "
        "heavy = {'matplotlib', 'pydantic', 'requests', 'yaml'}; "
        "print(heavy & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "set()"


def test_the_package_runs_as_a_module():
    command = [sys.executable, "-m", "freshet.cli", "--version"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == f"freshet {freshet.__version__}\n"


# ---- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (freshet.DataError("no such row"), 1, "freshet: no such row\n"),
        (freshet.datasets.DatasetError("no such series"), 1, "freshet: no such series\n"),
        (FileNotFoundError(2, "No such file", "x.csv"), 1, "freshet: x.csv: No such file\n"),
        (OSError(28, "No space left"), 1, "freshet: No space left\n"),
        (OSError("odd"), 1, "freshet: odd\n"),
        (KeyboardInterrupt(), 130, ""),
        (typer.Exit(3), 3, ""),
        (BrokenPipeError(32, "Broken pipe"), 1, ""),
    ],
)
def test_what_a_command_raises_becomes_a_message(error, status, message):
    application = typer.Typer(cls=_errors.Commands)

    @application.command()
    def fail():
        raise error

    @application.command()
    def other():
        pass

    result = run("fail", application=application)
    assert result.exit_code == status
    assert result.stderr == message
    assert result.stdout == ""


def test_a_bug_keeps_its_traceback():
    application = typer.Typer(cls=_errors.Commands)

    @application.callback()
    def group():
        pass

    @application.command()
    def fail():
        raise ZeroDivisionError

    assert isinstance(run("fail", application=application).exception, ZeroDivisionError)


# ---- backends ------------------------------------------------------------------------------------


def test_the_backends_are_a_table():
    result = run("backends")
    assert result.exit_code == 0
    first_words = [line.split(" ")[0] for line in result.stdout.splitlines()]
    assert [word for word in first_words if word] == [
        "BACKEND",
        *(method.backend for method in freshet.backends()),
    ]


def test_the_backends_are_json_on_request():
    methods = json.loads(run("backends", "--format", "json").stdout)
    assert methods == json.loads(run("backends", "--json").stdout)
    assert [method["backend"] for method in methods] == [m.backend for m in freshet.backends()]
    assert methods[0]["parameters"] == list(freshet.backends()[0].parameters)


# ---- download ------------------------------------------------------------------------------------


def test_several_series_are_reported_in_a_line_each(server, tmp_path):
    result = run("download", "all", "--out", "data", "--labels", "windows.json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "data/nyc_taxi.csv: 10,000 points, 2 labelled windows in windows.json",
        "data/small.csv: 3 points, 1 labelled window in windows.json",
        "data/large.csv: 10,001 points, 0 labelled windows in windows.json",
    ]
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [
        "large.csv",
        "nyc_taxi.csv",
        "small.csv",
    ]
    again = run("download", "all", "--out", "data", "--labels", "windows.json")
    assert all(line.endswith(", was there already") for line in again.stdout.splitlines())
    assert len(server.asked) == 5


def test_a_series_goes_here_if_nothing_else_is_said(server, tmp_path):
    assert run("download", "nyc_taxi").exit_code == 0
    assert (tmp_path / "nyc_taxi.csv").is_file()
    assert (tmp_path / "combined_windows.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nyc_tax"], "freshet: NAB has no series 'nyc_tax'; similar: nyc_taxi"),
        (["other", "-o", "x.csv"], "freshet: x.csv is one file, but 2 series"),
        (["nyc_taxi", "--mirror", "nowhere"], "freshet: nowhere/data/known/nyc_taxi.csv cannot be"),
        (["nyc_taxi", "-o", "taken"], "freshet: taken"),
    ],
)
def test_a_download_that_cannot_be_is_a_message(server, tmp_path, arguments, message):
    (tmp_path / "taken").write_text("")
    result = run("download", *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(message)


def test_other_files_are_replaced_only_on_request(server, tmp_path):
    (tmp_path / "nyc_taxi.csv").write_text("mine")
    assert run("download", "nyc_taxi").exit_code == 1
    assert (tmp_path / "nyc_taxi.csv").read_text() == "mine"
    assert run("download", "nyc_taxi", "--overwrite").exit_code == 0


def test_the_series_can_be_listed():
    lines = run("download", "--list").stdout.splitlines()
    assert lines[0] == "realKnownCause"
    assert "  nyc_taxi" in lines
    assert len(lines) == 7 + 58


def test_a_bar_shows_progress_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    with download._progress() as progress:
        progress("data/known/one.csv", 1000, 1000)
        progress("data/known/two.csv", 1000, 4000)
    shown = capsys.readouterr().err
    assert "data/known/two.csv" in shown
    assert "1.0/4.0 kB" in shown


def test_nothing_is_shown_where_there_is_no_terminal():
    with download._progress() as progress:
        assert progress is None
