"""A small NAB of our own, as files and behind an HTTP server that can misbehave."""

import contextlib
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from freshet.datasets import _catalog, _download

SMALL = (
    "timestamp,value\n2020-01-01 00:00:00,1.5\n2020-01-01 00:30:00,-2\n2020-01-01 01:00:00,3e2\n"
)
#: Large enough to come in several pieces.
LARGE = "timestamp,value\n" + "".join(
    f"2020-01-{1 + i // 1440:02} {i // 60 % 24:02}:{i % 60:02}:00,{i}\n" for i in range(10000)
)
WINDOW = ("2020-01-01 00:00:00.000000", "2020-01-01 00:30:00.000000")
LABELS_PATH = "labels/combined_windows.json"

#: One series that is pinned, and two of a group that are not.
CONTENT = {
    "data/known/nyc_taxi.csv": LARGE.encode(),
    "data/other/small.csv": SMALL.encode(),
    "data/other/large.csv": LARGE.encode() + b"2020-02-01 00:00:00,7\n",
    LABELS_PATH: json.dumps(
        {"known/nyc_taxi.csv": [], "other/small.csv": [WINDOW], "other/large.csv": []}
    ).encode(),
}


def use_small_catalog(monkeypatch):
    """Have NAB hold what `CONTENT` does."""
    sha256 = hashlib.sha256(CONTENT["data/known/nyc_taxi.csv"]).hexdigest()
    entries = [
        _catalog.Entry("known", "nyc_taxi", sha256, (WINDOW, WINDOW)),
        _catalog.Entry("other", "small"),
        _catalog.Entry("other", "large"),
    ]
    monkeypatch.setattr(_catalog, "NAB", {entry.name: entry for entry in entries})
    groups = {"known": ("nyc_taxi",), "other": ("small", "large")}
    monkeypatch.setattr(_catalog, "GROUPS", groups)


def use_own_cache(monkeypatch, cache):
    """Have neither FRESHET_DATA nor the user's cache nor a proxy; returns freshet's cache."""
    monkeypatch.delenv("FRESHET_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setenv("NO_PROXY", "*")
    return cache / "freshet"


def use_server(monkeypatch, server):
    """Have NAB's repository be at `server`."""
    monkeypatch.setattr(_catalog, "RAW_URL", f"{server.url}/raw")
    monkeypatch.setattr(_catalog, "TREE_URL", f"{server.url}/tree")
    monkeypatch.setattr(_download, "BACKOFF_S", 0.0)


def write_tree(directory, content=CONTENT):
    """Write files laid out as NAB's."""
    for path, data in content.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(data)
    return directory


def blob_id(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class Server:
    """What the server has and does, and what it was asked.

    Attributes
    ----------
    content : dict of str to bytes
        By path in NAB, below ``/raw``; ``/tree`` lists it.
    has_ranges : bool
        Whether a part of a file may be asked for.
    headers : dict of str to str
        Of every file, an ETag beside them if `has_etag`.
    breaks_after : int or None
        After how many bytes of a file the connection ends.
    hangs : Event or None
        What to wait for at that place, instead.
    failures : list of int
        The statuses of the next answers.
    asked : list of (str, str or None)
        Paths and their Range.
    n_sent : int
        Bytes of files that were sent.
    """

    def __init__(self):
        self.content = dict(CONTENT)
        self.listed = {path: blob_id(data) for path, data in CONTENT.items()}
        self.has_ranges = True
        self.has_etag = True
        self.headers = {}
        self.breaks_after = None
        self.hangs = None
        self.reached = threading.Event()
        self.failures = []
        self.asked = []
        self.n_sent = 0
        self.url = ""

    @property
    def paths(self):
        return [path for path, _ in self.asked]

    def answer(self, request):
        wanted = request.headers.get("Range")
        self.asked.append((request.path, wanted))
        assert request.headers["User-Agent"].startswith("freshet/")
        if self.failures:
            return self.fail(request, self.failures.pop(0))
        if request.path == "/tree":
            tree = [{"path": p, "type": "blob", "sha": sha} for p, sha in self.listed.items()]
            return self.send(request, json.dumps({"tree": tree}).encode(), 0, {})
        path = request.path.removeprefix("/raw/")
        if path not in self.content:
            return self.fail(request, 404)
        data = self.content[path]
        etag = f'"{blob_id(data)}"'
        headers = self.headers | ({"ETag": etag} if self.has_etag else {})
        begin = 0
        if wanted and self.has_ranges and request.headers.get("If-Range") == etag:
            begin = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if begin >= len(data):
                return self.fail(request, 416)
        return self.send(request, data, begin, headers)

    def fail(self, request, status):
        request.send_response(status)
        request.send_header("Content-Length", "0")
        request.end_headers()

    def send(self, request, data, begin, headers):
        request.send_response(206 if begin else 200)
        if begin:
            headers = {"Content-Range": f"bytes {begin}-{len(data) - 1}/{len(data)}"} | headers
        for name, value in ({"Content-Length": len(data) - begin} | headers).items():
            request.send_header(name, str(value))
        request.end_headers()
        is_cut = self.breaks_after is not None and request.path != "/tree"
        rest = data[begin : begin + self.breaks_after] if is_cut else data[begin:]
        request.wfile.write(rest)
        self.n_sent += len(rest)
        if self.hangs is not None:
            request.wfile.flush()
            self.reached.set()
            self.hangs.wait(60)


@contextlib.contextmanager
def serving():
    """Run a Server on the loopback interface."""
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            server.answer(self)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server.url = f"http://127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            if server.hangs is not None:
                server.hangs.set()
            http.shutdown()
            thread.join()
