"""Who may do what: keys, scopes, streams, rates and browsers."""

import pytest
from cli_testing import run
from fastapi import Request
from freshet.errors import ConfigurationError
from freshet.server import create_app
from freshet.server.bodies import json_response
from freshet.server.keys import KeyFile
from freshet.server.openapi import operation
from freshet.server.problems import Problem
from freshet.server.routing import RouteTable
from freshet.server.security import authorize_stream, may_use_stream
from server_testing import asking, settings
from starlette.responses import Response


@pytest.fixture
def file(tmp_path):
    return KeyFile(tmp_path / "api-keys.json")


@pytest.fixture
def only_operations(monkeypatch):
    monkeypatch.setattr("freshet.server.app.ROUTES", ("operations",))


def make_app(directory, **given):
    """Return the service with a route for each scope, and one that has none."""
    app = create_app(settings(directory, **given))

    async def plain(request: Request) -> Response:
        return json_response({})

    async def of_stream(request: Request, stream_id: str) -> Response:
        authorize_stream(request, stream_id)
        return json_response([one for one in ("pump-1", "fan-1") if may_use_stream(request, one)])

    app.get("/read", **operation("read"))(plain)
    app.post("/write", **operation("write"))(plain)
    app.delete("/admin", **operation("admin"))(plain)
    app.get("/undeclared")(plain)
    app.get("/hidden", include_in_schema=False, **operation("open"))(plain)
    app.get("/streams/{stream_id}", **operation("read"))(of_stream)
    return app


CALLS = {"read": ("GET", "/read"), "write": ("POST", "/write"), "admin": ("DELETE", "/admin")}


def ask(app, method, path, **options):
    return asking(app, lambda client: client.request(method, path, **options))


def problem(response):
    return response.status_code, response.json().get("id")


@pytest.fixture
def guarded(only_operations, tmp_path, file):
    """The service with keys, and a key for each scope."""
    keys = {scope: file.create(scope, [scope])[1] for scope in CALLS}
    return make_app(tmp_path, auth="required"), keys


# ---- scopes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", CALLS)
@pytest.mark.parametrize("wanted", CALLS)
@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
def test_a_key_opens_what_its_scope_is_for(guarded, scope, wanted, header):
    app, keys = guarded
    value = f"Bearer {keys[scope]}" if header == "Authorization" else keys[scope]
    response = ask(app, *CALLS[wanted], headers={header: value})
    if scope == wanted:
        assert response.status_code == 200
    else:
        assert problem(response) == (403, "scope_missing")
        assert response.json()["expected"] == wanted


@pytest.mark.parametrize("call", [*CALLS.values(), ("GET", "/nothing"), ("PUT", "/read")])
@pytest.mark.parametrize(
    ("headers", "problem_id"),
    [
        ({}, "key_missing"),
        ({"Authorization": "Basic QTpC"}, "key_missing"),
        ({"Authorization": "Bearer"}, "key_invalid"),
        ({"Authorization": "Bearer nonsense"}, "key_invalid"),
        ({"X-API-Key": "nonsense"}, "key_invalid"),
        ({"X-API-Key": ""}, "key_invalid"),
        ({"X-API-Key": "é".encode()}, "key_invalid"),
    ],
)
def test_without_a_valid_key_nothing_is_told(guarded, call, headers, problem_id):
    app, _ = guarded
    response = ask(app, *call, headers=headers)
    assert problem(response) == (401, problem_id)
    assert response.headers["www-authenticate"] == 'Bearer realm="freshet"'


def test_the_scheme_may_be_written_in_any_case(guarded):
    app, keys = guarded
    headers = {"Authorization": f"bearer  {keys['read']} "}
    assert ask(app, "GET", "/read", headers=headers).status_code == 200


def test_what_is_not_there_is_told_to_whoever_has_a_key(guarded):
    app, keys = guarded
    assert ask(app, "GET", "/nothing", headers={"X-API-Key": keys["read"]}).status_code == 404


def test_whether_the_service_is_well_is_told_to_everybody(guarded):
    app, keys = guarded

    async def question(client):
        return [
            (await client.get(path, headers={"X-API-Key": key} if key else {})).status_code
            for path, key in [
                *(("/health", None), ("/ready", None), ("/openapi.json", None), ("/docs", None)),
                *(("/metrics", None), ("/metrics", keys["write"]), ("/metrics", keys["read"])),
            ]
        ]

    assert asking(app, question) == [200, 200, 200, 200, 401, 403, 200]


def test_a_route_that_says_nothing_is_closed(guarded, only_operations, tmp_path):
    app, keys = guarded
    for key in keys.values():
        response = ask(app, "GET", "/undeclared", headers={"X-API-Key": key})
        assert response.status_code == 403
    without_keys = make_app(tmp_path, auth="off")
    assert problem(ask(without_keys, "GET", "/undeclared")) == (403, "scope_undeclared")


def test_a_route_that_hides_from_the_document_does_not_exist(only_operations, tmp_path):
    assert ask(make_app(tmp_path), "GET", "/hidden").status_code == 404


def test_every_route_of_the_service_says_who_may_call_it(tmp_path):
    app = create_app(settings(tmp_path))
    routes = app.state.table().routes()
    assert {route.scope for route in routes} <= {"open", "read", "write", "admin"}
    opened = {route.template for route in routes if route.scope == "open"}
    assert opened == {"/health", "/ready", "/openapi.json", "/docs"}
    for route in routes:
        if route.scope == "open":
            assert route.method == "GET", route
        if route.method == "GET":
            assert route.scope in ("open", "read"), route
        if route.method == "DELETE":
            assert route.scope == "admin", route


def test_without_keys_everything_is_open(only_operations, tmp_path):
    app = make_app(tmp_path)
    for call in CALLS.values():
        assert ask(app, *call).status_code == 200
    assert ask(app, "GET", "/streams/fan-1").json() == ["pump-1", "fan-1"]


# ---- streams -------------------------------------------------------------------------------------


def test_a_key_is_for_the_streams_of_its_prefixes(only_operations, tmp_path, file):
    _, pumps = file.create("pumps", ["read"], ["pump-", "valve-"])
    _, everything = file.create("all", ["read"])
    app = make_app(tmp_path, auth="required")
    for name, status in (("pump-1", 200), ("valve-", 200), ("fan-1", 403), ("pump", 403)):
        response = ask(app, "GET", f"/streams/{name}", headers={"X-API-Key": pumps})
        assert response.status_code == status
        if status == 403:
            assert response.json()["id"] == "stream_forbidden"
        else:
            assert response.json() == ["pump-1"]
        assert ask(app, "GET", f"/streams/{name}", headers={"X-API-Key": everything}).json()


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "/v1/ml/anomaly/stream", {"model": "fan-1", "data": {"a": 1}}, "model"),
        ("GET", "/v1/ml/anomaly/stream/fan-1", None, "model"),
        ("POST", "/v1/ml/anomaly/fit", {"model": "fan-1", "data": [[1]]}, "model"),
        ("POST", "/v1/ml/anomaly/score", {"model": "fan-1", "data": [[1]]}, "model"),
        ("DELETE", "/v1/ml/anomaly/models/fan-1.ecod.model", None, "filename"),
        ("POST", "/v1/ml/polars/buffers", {"buffer_id": "fan-1"}, "buffer_id"),
        ("GET", "/v1/ml/polars/buffers/fan-1/data", None, "buffer_id"),
        ("POST", "/predict_point", {"stream_id": "fan-1", "value": 1}, "stream_id"),
        ("GET", "/v1/ml/anomaly/predictions?stream_id=fan-1", None, "stream_id"),
    ],
)
def test_a_name_that_is_not_for_a_key_is_told_as_the_request_has_it(
    tmp_path, file, method, path, body, field
):
    _, pumps = file.create("pumps", ["read", "write", "admin"], ["pump-"])
    app = create_app(settings(tmp_path, auth="required"))
    response = ask(app, method, path, json=body, headers={"X-API-Key": pumps})
    assert problem(response) == (403, "stream_forbidden")
    assert response.json()["field"] == field
    assert response.json()["expected"] == "a name that begins with a prefix of the key"


def test_no_stream_is_open_to_a_request_that_nobody_looked_at():
    request = Request({"type": "http", "headers": []})
    assert not may_use_stream(request, "pump-1")
    with pytest.raises(Problem) as error:
        authorize_stream(request, "pump-1")
    assert error.value.status == 403


# ---- where keys are needed -----------------------------------------------------------------------


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_the_service_does_not_start_for_others_without_a_key(only_operations, host, tmp_path, file):
    with pytest.raises(ConfigurationError, match="freshet keys create"):
        create_app(settings(tmp_path, host=host))
    file.create("a", ["read"])
    create_app(settings(tmp_path, host=host))


def test_whoever_asks_for_keys_is_told_what_else_helps(only_operations, tmp_path):
    with pytest.raises(ConfigurationError, match=r"or set auth to auto$") as error:
        create_app(settings(tmp_path, auth="required"))
    assert error.value.expected == "a key"
    with pytest.raises(ConfigurationError, match=r"or listen on a loopback address$"):
        create_app(settings(tmp_path, host="0.0.0.0"))


def test_the_program_says_so_too(tmp_path):
    done = run("serve", "--host", "0.0.0.0", "--port", "0", "--data-dir", tmp_path)
    assert done.exit_code == 1
    assert "freshet: there is no API key in" in done.stderr


# ---- rates ---------------------------------------------------------------------------------------


def test_too_many_requests_are_told_when_to_come_again(only_operations, tmp_path, file):
    one, other = (file.create(name, ["read"])[1] for name in "ab")
    app = make_app(tmp_path, auth="required", rate_limit_per_second=0.01, rate_limit_burst=2)

    async def question(client):
        return [
            await client.get(path, headers={"X-API-Key": key})
            for path, key in [("/read", one)] * 3
            + [("/health", one), ("/read", other)]
            + [("/read", "nonsense")] * 3
        ]

    responses = asking(app, question)
    assert [response.status_code for response in responses] == [
        *(200, 200, 429),
        *(200, 200),
        *(401, 401, 429),
    ]
    assert responses[2].json()["id"] == "rate_limited"
    assert responses[2].json()["expected"] == "at most 0.01 requests per second, 2 at once"
    assert 90 <= int(responses[2].headers["retry-after"]) <= 100


# ---- browsers ------------------------------------------------------------------------------------

OWN = "http://localhost:14345"


@pytest.mark.parametrize(
    ("host", "is_taken"),
    [
        ("localhost:14345", True),
        ("127.0.0.1:14345", True),
        ("[::1]:14345", True),
        ("192.0.2.1", True),
        ("freshet", True),
        ("app.localhost", True),
        ("good.example:14345", True),
        ("rebound.example:14345", False),
        ("localhost.rebound.example", False),
        ("127.0.0.1.rebound.example", False),
        ("[::1", False),
        ("a.b\xff", False),
    ],
)
def test_a_name_that_a_stranger_can_own_is_refused(only_operations, tmp_path, host, is_taken):
    app = make_app(tmp_path, allowed_hosts=("good.example",))
    headers = {"Host": host.encode("latin-1")}
    responses = [ask(app, "GET", path, headers=headers) for path in ("/read", "/health")]
    for response in responses:
        if is_taken:
            assert response.status_code == 200
        else:
            assert problem(response) == (403, "host_refused")
            assert "allowed_hosts" in response.json()["expected"]


@pytest.mark.parametrize(
    ("origin", "is_taken"),
    [
        (None, True),
        (OWN, True),
        ("https://good.example", True),
        ("https://evil.example", False),
        ("http://localhost:3000", False),
        ("null", False),
        ("", False),
    ],
)
def test_pages_of_others_may_not_call(only_operations, tmp_path, origin, is_taken):
    app = make_app(tmp_path, cors_origins=("https://good.example",))
    headers = {} if origin is None else {"Origin": origin}
    response = ask(app, "POST", f"{OWN}/write", headers=headers)
    if is_taken:
        assert response.status_code == 200
    else:
        assert problem(response) == (403, "origin_refused")
        assert "cors_origins" in response.json()["expected"]


def test_with_keys_it_does_not_matter_where_a_page_comes_from(guarded):
    app, keys = guarded
    headers = {"Origin": "https://evil.example", "Host": "a.b.example", "X-API-Key": keys["read"]}
    assert ask(app, "GET", "/read", headers=headers).status_code == 200


def test_whoever_turns_keys_off_answers_for_it(only_operations, tmp_path):
    app = make_app(tmp_path, auth="off")
    headers = {"Origin": "https://evil.example", "Host": "a.b.example"}
    assert ask(app, "GET", "/read", headers=headers).status_code == 200


PREFLIGHT = {
    "Origin": "https://good.example",
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "content-type, x-api-key",
}


def test_pages_may_not_read_answers_by_default(guarded):
    app, keys = guarded
    assert ask(app, "OPTIONS", "/write", headers=PREFLIGHT).status_code == 401
    response = ask(app, "GET", "/read", headers={**PREFLIGHT, "X-API-Key": keys["read"]})
    assert not [name for name in response.headers if name.startswith("access-control")]


def test_pages_of_origins_that_are_named_may(only_operations, tmp_path, file):
    _, key = file.create("a", ["write"])
    app = make_app(tmp_path, auth="required", cors_origins=("https://good.example",))
    response = ask(app, "OPTIONS", "/write", headers=PREFLIGHT)
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == "https://good.example"
    assert "POST" in response.headers["access-control-allow-methods"]
    assert "access-control-allow-credentials" not in response.headers
    sent = {"authorization", "content-type", "x-api-key", "x-freshet-stream", "x-request-id"}
    wanted = {**PREFLIGHT, "Access-Control-Request-Headers": ", ".join(sent)}
    assert ask(app, "OPTIONS", "/write", headers=wanted).status_code == 200
    refused = ask(app, "OPTIONS", "/write", headers={**PREFLIGHT, "Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in refused.headers
    assert problem(refused) == (400, "preflight_refused")
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["detail"].endswith("origin")
    asked = {**PREFLIGHT, "Access-Control-Request-Method": "PUT"}
    assert ask(app, "OPTIONS", "/write", headers=asked).json()["detail"].endswith("method")
    for headers, status in (({}, 401), ({"X-API-Key": key}, 200)):
        response = ask(app, "POST", "/write", headers={"Origin": PREFLIGHT["Origin"], **headers})
        assert response.status_code == status
        assert response.headers["access-control-allow-origin"] == "https://good.example"


# ---- the table of routes -------------------------------------------------------------------------


def table(*routes, wide=()):
    paths = {}
    for method, path, scope in routes:
        paths.setdefault(path, {})[method] = {"x-scope": scope}
    return RouteTable({"paths": paths}, wide=wide)


def test_a_path_is_looked_up_as_the_router_does():
    found = table(
        ("get", "/s/list", "read"),
        ("get", "/s/{name}", "admin"),
        ("delete", "/s/{name}", "admin"),
        ("post", "/s/{name}/reset", "admin"),
        ("get", "/a.b", "read"),
    )

    def template(method, path):
        route = found.find(method, path)
        return route and route.template

    assert template("GET", "/s/list") == "/s/list"
    assert template("GET", "/s/lists") == "/s/{name}"
    assert template("DELETE", "/s/list") == "/s/{name}"
    assert template("POST", "/s/x/reset") == "/s/{name}/reset"
    assert template("GET", "/s/x/reset") is None
    assert template("GET", "/s/") is None
    assert template("GET", "/s/x/y") is None
    assert template("GET", "/s/x\n") == "/s/{name}"
    assert template("GET", "/a.b") == "/a.b"
    assert template("GET", "/axb") is None
    assert found.methods("/s/list") == ["GET", "HEAD"]
    assert found.methods("/s/x") == ["DELETE", "GET", "HEAD"]


def test_a_template_that_is_wide_has_slashes():
    found = table(
        ("get", "/s/{name}", "read"),
        ("post", "/s/{name}/reset", "admin"),
        ("get", "/t/{name}", "read"),
        wide=["/s/{name}", "/s/{name}/reset"],
    )

    def template(method, path):
        route = found.find(method, path)
        return route and route.template

    assert template("GET", "/s/x/y") == "/s/{name}"
    assert template("GET", "/s/x/reset") == "/s/{name}"
    assert template("POST", "/s/x/y/reset") == "/s/{name}/reset"
    assert template("POST", "/s/x/y") is None
    assert template("GET", "/s/") is None
    assert template("GET", "/t/x/y") is None


def test_a_path_that_cannot_be_reached_is_refused():
    with pytest.raises(ValueError, match="/s/list is registered after"):
        table(("get", "/s/{name}", "read"), ("get", "/s/list", "admin"))
    table(("post", "/s/{name}", "read"), ("get", "/s/list", "admin"))
