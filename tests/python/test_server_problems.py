"""Problem documents: what every answer that is no success looks like, and the OpenAPI document."""

import gzip
import json
import logging

import freshet
import jsonschema_rs
import pytest
from fastapi import HTTPException, Request
from freshet.server import create_app, logs
from freshet.server.bodies import json_response, read_json
from freshet.server.openapi import operation
from freshet.server.problems import Problem, ProblemDocument, problem_response
from freshet.server.schemas.examples import ANSWERS
from pydantic import BaseModel, ConfigDict, Field
from server_testing import asking, settings
from starlette.responses import Response


class Part(BaseModel):
    size: int = Field(ge=1, examples=[3])


class Whole(BaseModel):
    """A body with another model in it."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    name: str = Field(min_length=1, max_length=100)
    parts: list[Part] = []
    data: object = None
    threshold: float | None = None


class Answer(BaseModel):
    name: str


@pytest.fixture
def app(tmp_path, monkeypatch):
    monkeypatch.setattr("freshet.server.app.ROUTES", ("operations",))
    app = create_app(settings(tmp_path))

    @app.post("/whole", response_model=Answer, **operation("write", body=Whole, problems=[404]))
    async def whole(request: Request) -> Response:
        body = await read_json(request, Whole)
        return json_response({"name": body.name, "data": repr(body.data)})

    @app.get("/number/{number}", response_model=Answer, **operation("read"))
    async def number(number: int, limit: int = 10) -> Response:
        return json_response({"name": str(number + limit)})

    return app


def ask(app, method, path, **options):
    return asking(app, lambda client: client.request(method, path, **options))


def post(app, content, content_type="application/json"):
    headers = {} if content_type is None else {"content-type": content_type}
    return ask(app, "POST", "/whole", content=content, headers=headers)


def document(response):
    """Return the problem of an answer, after a look at what all problems have."""
    assert response.headers["content-type"] == "application/problem+json"
    content = response.json()
    ProblemDocument.model_validate(content)
    assert content["status"] == response.status_code
    assert content["instance"] == f"urn:freshet:request:{response.headers['x-request-id']}"
    expected = f"urn:freshet:problem:{content['id']}" if "id" in content else "about:blank"
    assert content["type"] == expected
    return content


def raising(app, error):
    """Let routes raise an error: one that the middleware asks itself, one that FastAPI asks."""

    @app.get("/plain", **operation("open"))
    async def plain(request: Request) -> Response:
        raise error

    @app.get("/routed/{name}", **operation("open"))
    async def routed(name: str) -> Response:
        raise error

    return [ask(app, "GET", path) for path in ("/plain", "/routed/x")]


# ---- what routes raise ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (freshet.DataError("no", id="value_non_finite", field="heat", row=3, column=1), 422),
        (freshet.ConfigurationError("no", id="parameter_type", field="w", expected="a text"), 422),
        (freshet.NotReadyError("no", id="not_ready"), 409),
        (freshet.FitError("no", id="fit_failed", field="heat", column=0), 422),
        (freshet.UnknownStreamError("no", id="stream_unknown", field="pump-1"), 404),
        (freshet.ModelFileError("no", id="file_corrupt", field="weights"), 422),
        (freshet.ModelFileError("no", id="file_missing"), 404),
        (freshet.ModelFileError("no", id="file_unwritable"), 503),
        (freshet.FitError("no", id="fit_cancelled"), 503),
        (freshet.Error("no", id="store_unavailable"), 503),
        (freshet.Error("no", id="too_many_streams"), 429),
        (freshet.Error("no", id="settings_conflict"), 409),
    ],
)
def test_an_error_of_the_library_is_a_problem_with_its_members(app, error, status):
    for response in raising(app, error):
        content = document(response)
        assert content["status"] == status
        assert content["detail"] == "no"
        assert content["id"] == error.id
        for member in ("field", "row", "column", "expected"):
            assert content.get(member) == getattr(error, member)
            assert (member in content) == (getattr(error, member) is not None)
        assert ("retry-after" in response.headers) == (status in (429, 503))


def test_what_else_an_error_has_comes_along(app):
    error = freshet.Error("no", id="settings_conflict")
    error.differences = {"window_size": {"given": 10, "has": 20}}
    error._secret = "not this"
    for response in raising(app, error):
        content = document(response)
        assert content["differences"] == {"window_size": {"given": 10, "has": 20}}
        assert "_secret" not in content


def test_a_problem_has_the_members_and_headers_it_was_given(app):
    problem = Problem(
        409,
        "It is there",
        id="exists",
        title="Exists",
        headers={"Retry-After": "7"},
        field="name",
        expected=None,
        errors=[{"field": "name", "detail": "is there", "expected": "another"}],
        since=12,
    )
    for response in raising(app, problem):
        content = document(response)
        assert response.headers["retry-after"] == "7"
        assert (content["title"], content["field"], content["since"]) == ("Exists", "name", 12)
        assert "expected" not in content
        assert content["errors"][0]["expected"] == "another"


def test_a_problem_without_an_id_has_the_title_of_its_status(app):
    for response in raising(app, Problem(404, "Not here")):
        content = document(response)
        assert (content["type"], content["title"]) == ("about:blank", "Not Found")


def test_exceptions_of_fastapi_are_problems(app):
    error = HTTPException(418, "I am one", headers={"X-Pot": "yes"})
    for response in raising(app, error):
        content = document(response)
        assert (content["status"], content["detail"]) == (418, "I am one")
        assert response.headers["x-pot"] == "yes"


@pytest.mark.parametrize(
    "error", [ValueError("the secret path /etc"), freshet.SnapshotError("torn", id="x"), KeyError()]
)
def test_what_was_not_meant_says_nothing_of_the_inside(app, error, capfd):
    logs.configure("warning")
    responses = raising(app, error)
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    logged = [line for line in lines if line["event"] == "request_failed"]
    for response, line in zip(responses, logged, strict=True):
        content = document(response)
        assert (content["status"], content["id"]) == (500, "internal_error")
        assert "secret" not in response.text
        assert "torn" not in response.text
        assert line["request_id"] == response.headers["x-request-id"]
        assert type(error).__name__ in line["exception"]
        assert "Traceback" in line["exception"]


def test_problems_hold_arrays_of_numpy():
    import numpy as np

    response = problem_response(Problem(400, "no", rows=np.array([1, 2])), "id")
    assert json.loads(response.body)["rows"] == [1, 2]


# ---- what is not there ---------------------------------------------------------------------------


def test_a_path_that_is_not_there(app):
    content = document(ask(app, "GET", "/nothing/here"))
    assert (content["status"], content["detail"]) == (404, "There is nothing at /nothing/here")
    assert len(document(ask(app, "GET", f"/{'x' * 5000}"))["detail"]) < 300


def test_a_slash_at_the_end_is_another_path(app):
    assert document(ask(app, "GET", "/health/"))["status"] == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/health", "GET, HEAD"),
        ("GET", "/whole", "POST"),
        ("HEAD", "/whole", "POST"),
        ("OPTIONS", "/number/3", "GET, HEAD"),
        ("BREW", "/number/3", "GET, HEAD"),
    ],
)
def test_a_method_that_is_not_possible_names_those_that_are(app, method, path, allowed):
    response = ask(app, method, path)
    assert response.status_code == 405
    assert response.headers["allow"] == allowed
    assert response.headers["content-type"] == "application/problem+json"
    if method != "HEAD":
        assert document(response)["detail"] == f"{method} is not possible at {path}"


def test_wrong_parameters_are_told_with_their_names(app):
    content = document(ask(app, "GET", "/number/three?limit=many"))
    assert content["status"] == 422
    assert content["field"] == "number"
    assert [one["field"] for one in content["errors"]] == ["number", "limit"]
    assert content["errors"][1]["detail"].endswith('not "many"')


# ---- bodies --------------------------------------------------------------------------------------


def test_a_good_body_is_read(app):
    assert post(app, '{"name": "a", "parts": [{"size": 2}], "data": [1, {"b": null}]}').json() == {
        "name": "a",
        "data": "[1, {'b': None}]",
    }


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "application/x+json"])
def test_other_names_of_json_are_taken(app, content_type):
    assert post(app, '{"name": "a"}', content_type).status_code == 200


@pytest.mark.parametrize(
    "content_type",
    [None, "", "text/plain", "application/jsonp", "application/x-www-form-urlencoded"],
)
def test_a_body_that_is_not_declared_to_be_json_is_refused(app, content_type):
    # A page in a browser could send such a one without asking first.
    content = document(post(app, '{"name": "a"}', content_type))
    assert (content["status"], content["id"]) == (415, "body_not_json")
    assert content["expected"] == "application/json"


def test_a_compressed_body_is_refused(app):
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    body = gzip.compress(b'{"name": "a"}')
    content = document(ask(app, "POST", "/whole", content=body, headers=headers))
    assert (content["status"], content["id"]) == (415, "body_encoded")
    assert (content["field"], content["expected"]) == ("Content-Encoding", "no encoding")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"{'name': 'a'}",
        b'{"name": "a"} x',
        b'{"name": "\xff"}',
        b"\xef\xbb\xbf{}",
        '{"name": "a"}'.encode("utf-16"),
        b'{"name": "\\ud800", "data": NaN}',
        b'{"name": "a", "data": ' + b"[" * 100_000,
        b'{"data": NaN, "deep": ' + b"[" * 100_000,
        b'{"data": ' + b"9" * 5000 + b", }",
        b'{"name": "a", "data": nan}',
        b'{"name": "a", "data": NaN}' + b" " * 2**20,
    ],
)
def test_a_body_that_is_no_json_is_refused(app, content):
    found = document(post(app, content))
    assert (found["status"], found["id"]) == (400, "json_malformed")


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("NaN", "[nan]"),
        ("-Infinity", "[-inf]"),
        ("1e999", "[inf]"),
        ("1" + "0" * 400, "[inf]"),
        ("123456789012345678901234567890, NaN", "[1.2345678901234568e+29, nan]"),
        ("-9007199254740993, NaN", "[-9007199254740993, nan]"),
    ],
)
def test_numbers_that_are_none_reach_whoever_knows_row_and_column(app, number, shown):
    assert post(app, f'{{"name": "a", "data": [{number}]}}').json()["data"] == shown


def test_numbers_that_are_none_are_refused_where_a_number_is_wanted(app):
    content = document(post(app, '{"name": "a", "threshold": NaN}'))
    assert (content["status"], content["field"]) == (422, "threshold")
    assert content["detail"] == "threshold: expected a finite number, not nan"


@pytest.mark.parametrize("content", ["[]", "null", '"text"', "12", "true", "1.5"])
def test_a_body_that_is_no_object_is_refused(app, content):
    found = document(post(app, content))
    assert (found["status"], found["id"], found["expected"]) == (
        422,
        "request_invalid",
        "an object",
    )


def test_what_is_wrong_in_a_body_is_told_with_the_field_and_what_was_expected(app):
    content = {"parts": [{"size": 1}, {"size": 0}, {"size": "x"}], "more": {"a": 1}}
    found = document(post(app, json.dumps(content)))
    assert (found["status"], found["title"]) == (422, "The request cannot be accepted")
    assert (found["field"], found["detail"]) == ("name", "name: is missing")
    assert {one["field"]: one["detail"] for one in found["errors"]} == {
        "name": "is missing",
        "parts.1.size": "expected greater than or equal to 1, not 0",
        "parts.2.size": 'expected a valid integer, unable to parse string as an integer, not "x"',
        "more": "there is no such field",
    }


def test_what_was_expected_is_told_without_the_words_for_types(app):
    class Listed(BaseModel):
        name: str = Field(pattern="^[a-z]+$")
        short: str = Field(min_length=1)
        parts: list[int] = Field(min_length=1, max_length=2)

    @app.post("/listed", **operation("write", body=Listed))
    async def listed(request: Request) -> Response:
        return json_response((await read_json(request, Listed)).model_dump())

    content = {"name": "A", "short": "", "parts": []}
    found = document(ask(app, "POST", "/listed", json=content))
    assert {one["field"]: one["detail"] for one in found["errors"]} == {
        "name": "expected a text that matches '^[a-z]+$', not \"A\"",
        "short": 'expected at least 1 character, not ""',
        "parts": "expected at least 1 item, not a list of 0",
    }
    found = document(ask(app, "POST", "/listed", json=content | {"parts": [1, 2, 3]}))
    assert found["errors"][2]["expected"] == "at most 2 items"


def test_what_was_sent_comes_back_in_short(app):
    found = document(post(app, json.dumps({"name": "x" * 100_000, "data": {"a": 1}})))
    assert len(found["detail"]) < 200


# ---- the OpenAPI document ------------------------------------------------------------------------


def references(node):
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_every_route_documents_its_problems(app):
    content = app.openapi()
    for path, operations in content["paths"].items():
        for described in operations.values():
            problems = {s: r for s, r in described["responses"].items() if int(s) >= 400}
            is_open = described["x-scope"] == "open"
            expected = {"403", "500"} | (set() if is_open else {"401", "429", "503"})
            assert expected <= set(problems), path
            assert ("security" in described) != is_open
            for response in problems.values():
                assert response["content"] == {
                    "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
                }
    assert {"400", "404", "413", "415", "422"} <= set(
        content["paths"]["/whole"]["post"]["responses"]
    )
    assert "422" in content["paths"]["/number/{number}"]["get"]["responses"]
    assert "HTTPValidationError" not in json.dumps(content)
    assert "ValidationError" not in content["components"]["schemas"]


def test_bodies_are_components_with_all_they_refer_to(app):
    content = app.openapi()
    schemas = content["components"]["schemas"]
    body = content["paths"]["/whole"]["post"]["requestBody"]["content"]["application/json"]
    assert body == {"schema": {"$ref": "#/components/schemas/Whole"}}
    assert schemas["Part"]["properties"]["size"]["examples"] == [3]
    assert "$defs" not in json.dumps(content)
    for reference in set(references(content)):
        assert reference.startswith("#/components/schemas/")
        assert reference.rpartition("/")[2] in schemas


def test_requests_and_answers_have_examples_that_are_valid(tmp_path):
    content = create_app(settings(tmp_path)).openapi()
    schemas = content["components"]["schemas"]
    named = {"#/components/schemas/Problem"}
    for operations in content["paths"].values():
        for described in operations.values():
            bodies = [described.get("requestBody", {}), described["responses"]["200"]]
            for body in bodies:
                if "application/json" in body.get("content", {}):
                    named.add(body["content"]["application/json"]["schema"]["$ref"])
    assert len(named) > 25
    for reference in named:
        schema = {"$ref": reference, "components": content["components"]}
        for example in schemas[reference.rpartition("/")[2]]["examples"]:
            jsonschema_rs.validate(schema, example)
    # No module's name, which a schema gets that shares its own with another.
    assert not [name for name in schemas if not name.isalnum()]


def test_examples_of_answers_have_all_that_answers_have(tmp_path):
    schemas = create_app(settings(tmp_path)).openapi()["components"]["schemas"]
    for name, example in ANSWERS.items():
        if name != "Problem":  # whose members are there where they tell something
            assert set(example) == set(schemas[name]["properties"])


def test_problems_are_what_the_document_says(app):
    schemas = app.openapi()["components"]["schemas"]
    schema = {"$ref": "#/components/schemas/Problem", "components": {"schemas": schemas}}
    for content in ("{", "[]", '{"parts": [{}]}', '{"name": 1}'):
        jsonschema_rs.validate(schema, post(app, content).json())
    jsonschema_rs.validate(schema, ask(app, "GET", "/nothing").json())
    assert not jsonschema_rs.is_valid(schema, {"title": "no status"})


def test_the_metrics_are_documented_as_text(app):
    answers = app.openapi()["paths"]["/metrics"]["get"]["responses"]
    assert list(answers["200"]["content"]) == ["text/plain"]


def test_the_document_and_its_page_are_served(app):
    assert ask(app, "GET", "/openapi.json").json() == json.loads(json.dumps(app.openapi()))
    assert "openapi.json" in ask(app, "GET", "/docs").text


@pytest.fixture(autouse=True)
def quiet():
    yield
    logs.configure("warning")
    logging.getLogger().setLevel(logging.WARNING)
