"""The example of a deployment: what can be checked of it without containers."""

import importlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml
from deployment_testing import DEPLOYMENT, REPLICAS, Replica, nginx_text
from freshet.server import ServerSettings, create_app
from freshet.server.metrics import Metrics
from freshet.server.openapi import SCOPE_KEY
from packaging.requirements import Requirement
from prometheus_client import Metric
from services_testing import program, running

ROOT = Path(__file__).parents[2]
FILLED_IN = {"REDIS_PASSWORD": "a1b2", "MONGODB_PASSWORD": "c3d4"}


def environment():
    """What .env.example says, with the passwords filled in."""
    lines = (DEPLOYMENT / ".env.example").read_text().splitlines()
    pairs = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert {name for name, value in pairs.items() if not value} == set(FILLED_IN)
    return pairs | FILLED_IN


def interpolated(value, variables, used):
    """A value with Compose's ${NAME}, ${NAME:-default} and ${NAME:?why} replaced."""
    if isinstance(value, dict):
        return {key: interpolated(one, variables, used) for key, one in value.items()}
    if isinstance(value, list):
        return [interpolated(one, variables, used) for one in value]
    if not isinstance(value, str):
        return value

    def of(found):
        name, default = found.group(1), found.group(3)
        used.add(name)
        if name in variables:
            return variables[name]
        assert default is not None, f"{name} is not in .env.example"
        return default

    return re.sub(r"\$\{(\w+)(:[-?]([^}]*))?\}", of, value)


def compose(variables=None, used=None):
    text = (DEPLOYMENT / "compose.yaml").read_text()
    variables = environment() if variables is None else variables
    return interpolated(yaml.safe_load(text), variables, set() if used is None else used)


def instructions():
    """The Dockerfile's instructions, each as its name and the rest, without comments."""
    text = re.sub(r"^#.*\n", "", (DEPLOYMENT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [tuple(line.split(maxsplit=1)) for line in lines if line.strip()]


def last_stage():
    found = instructions()
    names = [name for name, _ in found]
    begin = len(names) - 1 - names[::-1].index("FROM")
    return found[begin:]


def image_environment():
    found = {}
    for name, rest in last_stage():
        if name == "ENV":
            found |= dict(pair.split("=", 1) for pair in rest.split())
    return found


def service_settings(variables):
    """The settings that variables make; all others must not be there."""
    names = {name.removeprefix("FRESHET_").lower() for name in variables}
    assert names <= set(ServerSettings.model_fields)
    given = {name.removeprefix("FRESHET_").lower(): str(value) for name, value in variables.items()}
    return ServerSettings(**given)


# ---- the image ----


def test_the_image_runs_as_nobody_and_stops_in_order():
    stage = last_stage()
    users = [rest for name, rest in stage if name == "USER"]
    assert users == ["10001:10001"]
    assert ("STOPSIGNAL", "SIGTERM") in stage
    # What comes after the user is not done as root.
    after = [name for name, _ in stage[stage.index(("USER", users[0])) :]]
    assert "RUN" not in after
    assert "COPY" not in after


def test_the_image_s_settings_are_the_service_s():
    ours = {k: v for k, v in image_environment().items() if k.startswith("FRESHET_")}
    settings = service_settings(ours)
    assert settings.needs_keys
    assert not settings.is_on_loopback
    assert ("EXPOSE", str(settings.port)) in last_stage()


def test_the_image_s_directories_are_its_user_s():
    (making,) = [rest for name, rest in last_stage() if name == "RUN"]
    owned = re.search(r"install -d -o freshet -g freshet -m 0750 ([\w/ -]+?) *&&", making).group(1)
    from freshet.server.models.batch import DIRECTORY

    assert set(owned.split()) == {"/data", f"/data/{DIRECTORY}", "/keys"}


def test_the_health_check_asks_what_is_open_to_all(tmp_path):
    (check,) = [rest for name, rest in last_stage() if name == "HEALTHCHECK"]
    path = re.search(r"\+ '(/\w+)'", check).group(1)
    document = create_app(ServerSettings(data_dir=tmp_path)).openapi()
    assert document["paths"][path]["get"][SCOPE_KEY] == "open"


def test_the_health_check_tells_a_service_that_answers_from_one_that_does_not():
    (check,) = [rest for name, rest in last_stage() if name == "HEALTHCHECK"]
    command = yaml.safe_load(check.partition("CMD ")[2])
    with running(Replica("a")) as replica:
        where = {"FRESHET_PORT": str(replica.port)}
        assert subprocess.run([sys.executable, *command[1:]], env=where).returncode == 0
        replica.kill()
        failed = subprocess.run([sys.executable, *command[1:]], env=where, capture_output=True)
        assert failed.returncode != 0


def test_the_image_is_made_of_files_that_there_are():
    copied = [rest.split()[:-1] for name, rest in instructions() if name == "COPY"]
    sources = [one for rest in copied for one in rest if not rest[0].startswith("--from")]
    assert "bindings" in sources
    ignored = (DEPLOYMENT / "Dockerfile.dockerignore").read_text().splitlines()
    for source in sources:
        if source != ".":
            assert (ROOT / source).exists()
            assert f"!{source}" in ignored, f"{source} is kept out of the build"
    assert "*" in ignored


def test_the_image_s_extras_are_the_package_s_and_bring_what_the_deployment_needs():
    tomllib = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    extras = dict(pair.split("=") for name, pair in instructions() if name == "ARG")["EXTRAS"]
    text = (ROOT / "pyproject.toml").read_text()
    declared = tomllib.loads(text)["project"]["optional-dependencies"]
    brought = {Requirement(one).name for extra in extras.split(",") for one in declared[extra]}
    assert {"redis", "pymongo", "uvicorn"} <= brought


# ---- Compose ----


def test_all_variables_are_in_the_example():
    used = set()
    compose(environment(), used)
    assert used == set(environment())


def test_the_replicas_settings_are_the_service_s():
    services = compose()["services"]
    for name in REPLICAS:
        image = {k: v for k, v in image_environment().items() if k.startswith("FRESHET_")}
        settings = service_settings(image | services[name]["environment"])
        assert settings.store == "redis://:a1b2@redis:6379/0"
        assert settings.log.startswith("mongodb://freshet:c3d4@mongodb:27017/")
        grace = int(services[name]["stop_grace_period"].removesuffix("s"))
        assert grace > settings.shutdown_timeout_seconds
        body = re.search(r"client_max_body_size (\d+)m;", nginx_text()).group(1)
        # The service shall be the one to refuse what is too large, for it says how large.
        assert int(body) * 2**20 > settings.max_body_bytes


def test_the_replicas_differ_in_nothing_but_their_volume():
    one, two = (compose()["services"][name] for name in REPLICAS)
    assert [v.replace(REPLICAS[0], REPLICAS[1]) for v in one["volumes"]] == two["volumes"]
    assert {**one, "volumes": 0} == {**two, "volumes": 0}


def test_what_is_mounted_is_where_the_image_looks_for_it():
    image = image_environment()
    volumes = [volume.split(":") for volume in compose()["services"]["freshet-1"]["volumes"]]
    targets = {target: options for _, target, *options in volumes}
    assert targets[image["FRESHET_DATA_DIR"]] == []
    assert targets[image["FRESHET_MODELS_DIR"]] == ["ro"]
    assert targets[os.path.dirname(image["FRESHET_API_KEYS_FILE"])] == ["ro"]


def test_services_have_few_rights_and_only_nginx_and_prometheus_are_reached():
    services = compose()["services"]
    for name, service in services.items():
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not service.get("privileged")
        if name != "mongodb":  # which gives its files to its user when it starts
            assert service["cap_drop"] == ["ALL"], name
            assert service["read_only"] is True, name
        for published in service.get("ports", ()):
            assert published.startswith("127.0.0.1:"), name
    assert {name for name, service in services.items() if "ports" in service} == {
        "nginx",
        "prometheus",
    }
    assert compose()["networks"]["inner"]["internal"] is True


def test_images_are_of_a_version():
    for name, service in compose()["services"].items():
        _, _, tag = service["image"].partition(":")
        assert tag, name
        assert tag != "latest", name


def test_what_is_mentioned_is_declared():
    document = compose()
    for service in document["services"].values():
        assert set(service.get("depends_on", ())) <= set(document["services"])
        assert set(service.get("secrets", ())) <= set(document["secrets"])
        assert set(service.get("networks", ())) <= set(document["networks"])
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            if not source.startswith("."):
                assert source in document["volumes"]
            elif source != environment()["MODELS_DIR"]:
                assert (DEPLOYMENT / source).is_file()


# ---- Prometheus ----


def test_prometheus_accepts_its_configuration(tmp_path):
    folder = shutil.copytree(DEPLOYMENT, tmp_path / "deployment")
    secret = folder / "key"
    secret.write_text("freshet_0123")
    text = (folder / "prometheus.yml").read_text()
    # Where Compose mounts the key, which is no place on this machine.
    assert "/run/secrets/prometheus-key" in text
    assert compose()["services"]["prometheus"]["secrets"] == ["prometheus-key"]
    (folder / "prometheus.yml").write_text(text.replace("/run/secrets/prometheus-key", str(secret)))
    for arguments in (["check", "config", "prometheus.yml"], ["test", "rules", "alerts_test.yml"]):
        checked = subprocess.run(
            [program("promtool"), *arguments], cwd=folder, capture_output=True, text=True
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr


def test_prometheus_asks_the_replicas():
    configuration = yaml.safe_load((DEPLOYMENT / "prometheus.yml").read_text())
    targets = configuration["scrape_configs"][0]["static_configs"][0]["targets"]
    port = image_environment()["FRESHET_PORT"]
    assert targets == [f"{name}:{port}" for name in REPLICAS]


def test_alerts_are_about_metrics_and_labels_that_there_are(tmp_path):
    labels = {}
    metrics = Metrics()
    suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
    # Requests are counted by a collector of our own.
    families = [*vars(metrics).values(), *metrics.requests.collect()]
    for family in families:
        names = getattr(family, "_labelnames", None)
        if names is None:
            continue
        described = family if isinstance(family, Metric) else next(iter(family.describe()))
        for suffix in suffixes.get(described.type, [""]):
            labels[described.name + suffix] = {*names, "instance", "job", "le"}
    rules = yaml.safe_load((DEPLOYMENT / "alerts.yml").read_text())["groups"][0]["rules"]
    routes = set(create_app(ServerSettings(data_dir=tmp_path)).openapi()["paths"])
    for rule in rules:
        expression = rule["expr"]
        mentioned = re.findall(r"\bfreshet_\w+", expression)
        assert mentioned or rule["alert"] in ("ReplicaDown", "MemoryFull")
        assert set(mentioned) <= set(labels), rule["alert"]
        used = re.findall(r"(\w+)=~?\"", expression)
        for names in re.findall(r"by \(([\w, ]+)\)", expression):
            used += names.split(", ")
        for name in mentioned:
            assert set(used) <= labels[name], rule["alert"]
        for told in re.findall(r"route=~\"([^\"]+)\"", expression):
            assert set(told.split("|")) <= routes
