"""The settings of the service: where they come from, and what is wrong with them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from cli_testing import run, run_program
from freshet._secrets import without_secrets
from freshet.errors import ConfigurationError
from freshet.server import ServerSettings, read_settings
from freshet.server.configuration import as_toml, unknown_variables

ROOT = Path(__file__).resolve().parents[2]
FIELDS = list(ServerSettings.model_fields)

#: Another value than the default for every setting, as a variable or an option has it.
OTHERS = {
    "host": "0.0.0.0",
    "port": "8000",
    "data_dir": "/srv/data",
    "models_dir": "/srv/models",
    "bundle": "taxi",
    "models_poll_seconds": "0.5",
    "store": "redis://:secret@cache:6379/2",
    "durability": "relaxed",
    "snapshot_interval_rows": "500",
    "snapshot_interval_seconds": "12.5",
    "idle_eviction_seconds": "60",
    "retrain_threads": "3",
    "log": "postgresql+psycopg://freshet:secret@db/log",
    "log_retention_days": "7",
    "log_max_rows": "1000",
    "log_spool_bytes": "22000000",
    "max_streams": "12",
    "max_stream_bytes": "23000000",
    "max_columns": "13",
    "max_batch_rows": "14",
    "max_buffers": "20",
    "max_buffer_bytes": "21000000",
    "max_body_bytes": "15000",
    "max_memory_bytes": "16000000",
    "max_queued_requests": "17",
    "auth": "required",
    "api_keys_file": "/etc/freshet/keys.json",
    "rate_limit_per_second": "18.5",
    "rate_limit_burst": "19",
    "cors_origins": "https://a.example, https://b.example",
    "allowed_hosts": "freshet.example",
    "trusted_proxies": "10.0.0.0/8,::1",
    "stream_classes": "pump-=pump,fan-=fan",
    "log_level": "debug",
    "log_format": "console",
    "shutdown_timeout_seconds": "5",
}


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    import os

    for name in list(os.environ):
        if name.startswith("FRESHET_"):
            monkeypatch.delenv(name)


def write(path, text):
    path.write_text(text)
    return path


# ---- where they come from ------------------------------------------------------------------------


def test_the_tests_know_every_setting():
    assert sorted(OTHERS) == sorted(FIELDS)


@pytest.mark.parametrize("name", FIELDS)
def test_a_setting_is_an_option_a_variable_and_a_key(name, monkeypatch, tmp_path):
    default = getattr(ServerSettings(), name)
    by_option = getattr(read_settings(options={name: OTHERS[name]}), name)
    monkeypatch.setenv(f"FRESHET_{name.upper()}", OTHERS[name])
    by_variable = getattr(read_settings(), name)
    monkeypatch.delenv(f"FRESHET_{name.upper()}")
    text = as_toml(read_settings(options={name: OTHERS[name]}))
    line = re.search(rf"^{name} = .*$", text, re.MULTILINE).group()
    by_key = getattr(read_settings(write(tmp_path / "freshet.toml", line)), name)
    assert by_option == by_variable
    assert by_option != default
    assert type(by_option) is type(by_key)
    assert by_key == (by_option if "secret" not in OTHERS[name] else without_secrets(by_option))


def test_options_come_before_variables_and_these_before_the_file(monkeypatch, tmp_path):
    config = write(tmp_path / "freshet.toml", 'port = 1\nmax_streams = 2\nhost = "::1"\n')
    monkeypatch.setenv("FRESHET_PORT", "11")
    monkeypatch.setenv("freshet_max_streams", "12")  # As pydantic-settings has it.
    settings = read_settings(config, {"port": "21", "host": None})
    assert (settings.port, settings.max_streams, settings.host) == (21, 12, "::1")


def test_a_variable_can_name_the_file(monkeypatch, tmp_path):
    monkeypatch.setenv("FRESHET_CONFIG", str(write(tmp_path / "a.toml", "port = 1")))
    assert read_settings().port == 1
    assert read_settings(write(tmp_path / "b.toml", "port = 2")).port == 2


def test_lists_and_tables_are_what_toml_calls_so(tmp_path):
    text = 'cors_origins = ["https://a.example"]\n[stream_classes]\npump- = "pump"\n'
    settings = read_settings(write(tmp_path / "freshet.toml", text))
    assert settings.cors_origins == ("https://a.example",)
    assert settings.stream_classes == {"pump-": "pump"}


def test_nothing_in_a_variable_is_no_value(monkeypatch):
    for name in ("MODELS_DIR", "BUNDLE", "API_KEYS_FILE", "CORS_ORIGINS", "STREAM_CLASSES"):
        monkeypatch.setenv(f"FRESHET_{name}", "")
    assert read_settings() == ServerSettings()


def test_misspelt_variables_are_noticed(monkeypatch):
    monkeypatch.setenv("FRESHET_PROT", "1")
    monkeypatch.setenv("FRESHET_PORT", "1")
    monkeypatch.setenv("FRESHET_DATA", "mirror")
    assert unknown_variables() == ["FRESHET_PROT"]


# ---- what is wrong with them ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("port", "65536", "less than or equal to 65535"),
        ("port", "many", "a valid integer"),
        ("host", "", "at least 1 character"),
        ("durability", "some", "'full' or 'relaxed'"),
        ("store", "mysql://db", "sqlite or redis://HOST:PORT/DB"),
        ("log", "mongo", "sqlite, none or the URL of a database"),
        ("max_streams", "0", "greater than or equal to 1"),
        ("models_poll_seconds", "0", "greater than 0"),
        ("log_retention_days", "-1", "greater than or equal to 0"),
        ("log_retention_days", "nan", "finite"),
        ("rate_limit_per_second", "inf", "finite"),
        ("stream_classes", "pump", "NAME=VALUE"),
        ("stream_classes", ",".join(f"{i}={i}" for i in range(33)), "32 classes at most"),
    ],
)
def test_a_wrong_value_is_told_with_its_source_and_what_was_expected(
    name, value, expected, monkeypatch, tmp_path
):
    with pytest.raises(ConfigurationError) as by_option:
        read_settings(options={name: value})
    monkeypatch.setenv(f"FRESHET_{name.upper()}", value)
    with pytest.raises(ConfigurationError) as by_variable:
        read_settings()
    monkeypatch.delenv(f"FRESHET_{name.upper()}")
    config = write(tmp_path / "freshet.toml", f'{name} = "{value}"')
    with pytest.raises(ConfigurationError) as by_key:
        read_settings(config)
    assert str(by_option.value).startswith(f"--{name.replace('_', '-')}: ")
    assert str(by_variable.value).startswith(f"FRESHET_{name.upper()}: ")
    assert str(by_key.value).startswith(f"{config}, {name}: ")
    for error in (by_option.value, by_variable.value, by_key.value):
        assert error.field == name
        assert expected in error.expected
        assert expected in str(error)
        assert error.id in ("parameter_type", "parameter_out_of_range")


def test_all_that_is_wrong_is_told_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("FRESHET_AUTH", "maybe")
    config = write(tmp_path / "freshet.toml", "port = -1\nports = 1\n")
    with pytest.raises(ConfigurationError) as error:
        read_settings(config)
    lines = str(error.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        f"{config}, port",
        "FRESHET_AUTH",
        f"{config}, ports",
    ]
    assert "there is no such setting" in lines[2]


def test_a_message_holds_no_password():
    with pytest.raises(ConfigurationError) as error:
        read_settings(options={"store": "rediss2://:hunter2@cache/0"})
    assert "hunter2" not in str(error.value)
    assert error.value.__cause__ is None


@pytest.mark.parametrize("content", [b"port = ", b"port 1", b"\xff"])
def test_what_is_no_toml_is_refused(tmp_path, content):
    path = tmp_path / "freshet.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="no TOML") as error:
        read_settings(path)
    assert (error.value.id, error.value.field) == ("file_corrupt", str(path))


def test_a_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_settings(tmp_path / "none.toml")


# ---- what follows from them ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "auth", "needs_keys"),
    [
        ("127.0.0.1", "auto", False),
        ("127.8.9.10", "auto", False),
        ("::1", "auto", False),
        ("localhost", "auto", False),
        ("0.0.0.0", "auto", True),
        ("::", "auto", True),
        ("10.0.0.1", "auto", True),
        ("localhost.example", "auto", True),
        ("127.0.0.1", "required", True),
        ("0.0.0.0", "off", False),
    ],
)
def test_keys_are_needed_where_others_can_reach_the_service(host, auth, needs_keys):
    assert ServerSettings(host=host, auth=auth).needs_keys is needs_keys


def test_the_class_of_a_stream_is_that_of_the_longest_prefix():
    settings = ServerSettings(stream_classes={"p": "short", "pump-": "long", "pump-9": "longest"})
    found = [settings.stream_class(name) for name in ("pump-1", "pump-91", "pu", "fan", "")]
    assert found == ["long", "longest", "short", "default", "default"]


# ---- the command ---------------------------------------------------------------------------------


def test_the_printed_settings_are_a_file_that_says_the_same(tmp_path, monkeypatch):
    for name, value in OTHERS.items():
        monkeypatch.setenv(f"FRESHET_{name.upper()}", value)
    done = run("serve", "--print-config", "--bundle", 'a "quoted" \\ näme')
    assert done.exit_code == 0
    expected = read_settings(options={"bundle": 'a "quoted" \\ näme'})
    for name in OTHERS:
        monkeypatch.delenv(f"FRESHET_{name.upper()}")
    again = read_settings(write(tmp_path / "freshet.toml", done.stdout))
    hidden = {
        "store": "redis://:***@cache:6379/2",
        "log": "postgresql+psycopg://freshet:***@db/log",
    }
    assert again == expected.model_copy(update=hidden)
    assert "secret" not in done.stdout
    for field in ServerSettings.model_fields.values():
        assert f"# {field.description}\n" in done.stdout


def test_the_printed_defaults_are_the_defaults(tmp_path):
    done = run_program("serve", "--print-config")
    assert (done.returncode, done.stderr) == (0, "")
    assert read_settings(write(tmp_path / "freshet.toml", done.stdout)) == ServerSettings()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite", "sqlite"),
        ("redis://localhost:6379/0", "redis://localhost:6379/0"),
        ("redis://user:p%40ss@cache/0", "redis://user:***@cache/0"),
        (
            "mongodb://a:b@one,two/db?tls=true&authToken=x",
            "mongodb://a:***@one,two/db?tls=true&authToken=***",
        ),
        ("postgresql://db/log?user=a&password=b#c", "postgresql://db/log?user=a&password=***#c"),
    ],
)
def test_passwords_in_urls_are_hidden(url, shown):
    assert without_secrets(url) == shown


def test_every_setting_is_an_option_with_its_default():
    shown = " ".join(run("serve", "--help").stdout.split())
    for name, field in ServerSettings.model_fields.items():
        assert f"--{name.replace('_', '-')} " in shown
        assert " ".join(field.description.split()) in shown
    assert "[14345]" in shown
    assert "[auto|required|off]" in shown
    assert "Examples:" in shown


def test_an_option_that_is_wrong_is_told_of():
    done = run_program("serve", "--port", "many", "--max-streams", "0")
    assert done.returncode == 1
    assert done.stderr == (
        "freshet: --port: 'many', expected a valid integer, unable to parse string as an integer\n"
        "--max-streams: '0', expected greater than or equal to 1\n"
    )
    assert run_program("serve", "--ports", "1").returncode == 2


@pytest.mark.parametrize("package", ["fastapi", "pydantic_settings", "uvicorn"])
@pytest.mark.parametrize("command", [["serve", "--port", "0"]])
def test_without_the_extra_the_program_says_how_to_install_it(package, command):
    code = (
        f"import sys; sys.modules[{package!r}] = None; sys.argv[1:] = {command!r}; "
        "from freshet._command import main; sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert done.stderr == (
        "freshet: the service needs more packages: pip install 'freshet[server]'\n"
    )


def test_starting_other_commands_does_not_load_the_service():
    code = (
        "import sys, freshet.cli; "
        "heavy = {'fastapi', 'pydantic', 'structlog', 'uvicorn', 'freshet.server'}; "
        "print(heavy & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "set()"


def test_every_setting_is_documented_with_its_default():
    text = (ROOT / "docs" / "service.md").read_text(encoding="utf-8")
    documented = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", text, re.MULTILINE))
    expected = {}
    for name, field in ServerSettings.model_fields.items():
        default = field.default
        expected[name] = "" if default in (None, (), {}, "") else f"`{default}`"
    assert {name: documented.get(name) for name in expected} == expected
