"""The example of a deployment, and its servers without containers."""

import contextlib
import re
import sys
from pathlib import Path

import httpx
from services_testing import Service, program

DEPLOYMENT = Path(__file__).parents[2] / "examples" / "deployment"
REPLICAS = ("freshet-1", "freshet-2")


def nginx_text():
    return (DEPLOYMENT / "nginx.conf").read_text()


class Replica(Service):
    """A server that tells its name, and what it was asked with."""

    name = "replica"
    _CODE = """
import json, sys, uvicorn
async def app(scope, receive, send):
    assert scope["type"] == "http"
    while (await receive()).get("more_body"):
        pass
    headers = {key.decode(): value.decode() for key, value in scope["headers"]}
    body = json.dumps({"name": sys.argv[1], "path": scope["path"], "headers": headers}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
uvicorn.run(app, port=int(sys.argv[2]), lifespan="off", log_level="error")
"""

    def __init__(self, told):
        super().__init__()
        self.told = told

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def command(self):
        return [sys.executable, "-c", self._CODE, self.told, str(self.port)]

    def answers(self):
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(self.url).status_code == 200
        return False


class Nginx(Service):
    """nginx as the deployment has it, but for the addresses and where temporary files go."""

    name = "nginx"

    def __init__(self, replicas):
        super().__init__()
        text = nginx_text().replace("/tmp/", f"{self.directory}/")
        text, n = re.subn(r"listen 8080;", f"listen 127.0.0.1:{self.port};", text)
        assert n == 1
        for name, replica in zip(REPLICAS, replicas, strict=True):
            text, n = re.subn(rf"server {name}:14345 ", f"server 127.0.0.1:{replica.port} ", text)
            assert n == 1
        (self.directory / "nginx.conf").write_text("daemon off;\n" + text)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def command(self, *more):
        folder = str(self.directory)
        return [program("nginx"), "-p", folder, "-c", f"{folder}/nginx.conf", *more]

    def answers(self):
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/nginx-health").status_code == 200
        return False
