"""API keys: the file of them, and the command that changes it."""

import hmac
import json
import stat
import threading

import pytest
from cli_testing import run
from freshet.errors import ConfigurationError
from freshet.server import keys as keys_module
from freshet.server.keys import KeyFile, KeyRing


@pytest.fixture
def file(tmp_path):
    return KeyFile(tmp_path / "api-keys.json")


# ---- the file of keys ----------------------------------------------------------------------------


def test_a_key_is_found_and_the_file_does_not_hold_it(file, tmp_path):
    key, text = file.create("pumps", ["write", "read"], ["pump-"])
    assert file.read() == [key]
    assert (key.name, key.scopes, key.prefixes) == ("pumps", ("read", "write"), ("pump-",))
    assert KeyRing(file).find(text) == key
    content = (tmp_path / "api-keys.json").read_text()
    assert key.id in content
    assert text not in content
    assert text.rpartition("_")[2] not in content
    assert len(text.removeprefix(f"freshet_{key.id}_")) == 43  # 256 bits


def test_only_the_owner_can_read_the_file(file, tmp_path):
    file.create("a", ["read"])
    assert stat.S_IMODE((tmp_path / "api-keys.json").stat().st_mode) == 0o600


def test_keys_differ(file):
    made = [file.create("a", ["read"]) for _ in range(5)]
    assert len({text for _, text in made}) == len({key.id for key, _ in made}) == 5


def test_a_revoked_key_is_gone_and_the_others_stay(file):
    first, first_text = file.create("a", ["read"])
    second, second_text = file.create("b", ["read"])
    assert file.revoke(first.id) == first
    ring = KeyRing(file)
    assert ring.find(first_text) is None
    assert ring.find(second_text) == second
    with pytest.raises(ConfigurationError, match=f"only {second.id}"):
        file.revoke(first.id)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-1] + ("A" if text[-1] != "A" else "B"),
        lambda text: text + "x",
        lambda text: text[:-1],
        lambda text: "",
        lambda text: "freshet",
        lambda text: "freshet__",
        lambda text: text.upper(),
        lambda text: text.replace("freshet_", "other_"),
        lambda text: text.rpartition("_")[0] + "_",
        lambda text: f"freshet_{'0' * 12}_{text.rpartition('_')[2]}",
        lambda text: text + "é",
    ],
)
def test_another_key_is_none(file, change):
    _, text = file.create("a", ["read"])
    assert KeyRing(file).find(change(text)) is None


def test_keys_are_compared_in_constant_time_even_if_there_is_none(file, monkeypatch):
    key, text = file.create("a", ["read"])
    ring = KeyRing(file)
    compared = []

    def compare(one, other):
        compared.append((len(one), len(other)))
        return hmac.compare_digest(one, other)

    monkeypatch.setattr(keys_module, "hmac", type("hmac", (), {"compare_digest": compare}))
    assert ring.find(text) == key
    assert ring.find("freshet_000000000000_x") is None
    assert ring.find("nonsense") is None
    assert compared == [(64, 64)] * 3


def test_keys_made_at_the_same_time_are_all_there(file):
    def create():
        for _ in range(5):
            file.create("a", ["read"])

    threads = [threading.Thread(target=create) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(file.read()) == 20


@pytest.mark.parametrize("scopes", [[], ["reed"], ["read", "root"]])
def test_scopes_are_those_that_there_are(file, scopes):
    with pytest.raises(ConfigurationError, match="read, write, admin"):
        file.create("a", scopes)
    assert file.read() == []


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"keys": [{}]}',
        '{"keys": [1]}',
        '{"keys": [{"id": "0123456789ab", "name": "a", "scopes": ["read"], "prefixes": [], '
        '"created": "", "sha256": "short"}]}',
        '{"keys": [{"id": "../../../../", "name": "a", "scopes": ["read"], "prefixes": [], '
        f'"created": "", "sha256": "{"0" * 64}"}}]}}',
        '{"keys": [{"id": "0123456789ab", "name": "a", "scopes": ["all"], "prefixes": [], '
        f'"created": "", "sha256": "{"0" * 64}"}}]}}',
        '{"keys": [{"id": "0123456789ab", "name": "a", "scopes": ["read"], "prefixes": [1], '
        f'"created": "", "sha256": "{"0" * 64}"}}]}}',
    ],
)
def test_a_damaged_file_is_refused_and_not_overwritten(file, tmp_path, content):
    path = tmp_path / "api-keys.json"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match="no file of API keys") as error:
        file.read()
    assert error.value.id == "file_corrupt"
    with pytest.raises(ConfigurationError):
        file.create("a", ["read"])
    assert path.read_text() == content


def test_a_running_service_follows_the_file(file, tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(keys_module.time, "monotonic", lambda: now[0])
    key, text = file.create("a", ["read"])
    ring = KeyRing(file)
    second, second_text = file.create("b", ["read"])
    file.revoke(key.id)
    assert ring.find(text) == key  # Not yet looked again.
    now[0] += 1.5
    assert ring.find(text) is None
    assert ring.find(second_text) == second
    (tmp_path / "api-keys.json").write_text("{")
    now[0] += 1.5
    assert ring.find(second_text) == second  # Nobody is locked out by half a file.
    (tmp_path / "api-keys.json").unlink()
    now[0] += 1.5
    assert ring.find(second_text) is None


# ---- the command ---------------------------------------------------------------------------------


def test_keys_are_made_listed_and_revoked_by_the_program(tmp_path, file):
    arguments = ["--scope", "write", "--scope", "read", "--prefix", "pump-", "--data-dir", tmp_path]
    made = run("keys", "create", "pumps", *arguments)
    assert made.exit_code == 0
    key = KeyRing(file).find(made.stdout.strip())
    assert (key.name, key.scopes, key.prefixes) == ("pumps", ("read", "write"), ("pump-",))
    assert key.id in made.stderr
    shown = run("keys", "list", "--data-dir", tmp_path).stdout
    assert [line.split() for line in shown.splitlines()] == [
        ["ID", "NAME", "SCOPES", "PREFIXES", "CREATED"],
        [key.id, "pumps", "read,write", "pump-", key.created],
    ]
    assert made.stdout.strip() not in shown
    assert key.sha256 not in shown
    revoked = run("keys", "revoke", key.id, "--data-dir", tmp_path)
    assert revoked.stdout == f"{key.id} (pumps) is revoked\n"
    assert json.loads((tmp_path / "api-keys.json").read_text()) == {"keys": []}


def test_the_program_uses_the_file_of_the_settings(tmp_path, monkeypatch):
    monkeypatch.setenv("FRESHET_API_KEYS_FILE", str(tmp_path / "deep" / "keys.json"))
    assert run("keys", "create", "a", "--scope", "read").exit_code == 0
    assert len(KeyFile(tmp_path / "deep" / "keys.json").read()) == 1


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["create", "a"], 2),
        (["create", "--scope", "read"], 2),
        (["create", "a", "--scope", "root"], 1),
        (["revoke", "0123456789ab"], 1),
        (["destroy"], 2),
    ],
)
def test_what_the_program_refuses(tmp_path, monkeypatch, arguments, status):
    monkeypatch.setenv("FRESHET_DATA_DIR", str(tmp_path))
    done = run("keys", *arguments)
    assert (done.exit_code, done.stdout) == (status, "")
    assert not (tmp_path / "api-keys.json").exists()
