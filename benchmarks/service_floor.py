"""What bounds single points: HTTP without a service behind it, and the journal without one before.

As a program it is an application that reads each body and answers as many bytes as a verdict has,
served as ours is.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import uvicorn
from freshet._core import record_dtype
from freshet.server.engine.changes import Entry
from freshet.server.engine.events import Rows, encode
from freshet.server.engine.journal import Journal

if TYPE_CHECKING:
    from pathlib import Path

_ANSWER = b"{" + b'"samples_until_ready":0,' * 10 + b'"threshold":0.5}'
_HEADERS = [(b"content-length", b"%d" % len(_ANSWER)), (b"content-type", b"application/json")]
_N_STREAMS = 8
_N_TRANSACTIONS = 500


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer whatever is asked."""
    if scope["type"] == "lifespan":
        for kind in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{kind}.complete"})
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": _ANSWER})


def journal_seconds(directory: Path, n_at_once: int) -> float:
    """Return what a point takes to be written, with its share of a transaction.

    Points of a stream that come together are one entry.
    """
    n_rows = n_at_once // _N_STREAMS
    results = np.zeros(n_rows, record_dtype).tobytes()
    columns = [f"f{i}" for i in range(5)]
    entries = [
        Entry(
            f"stream-{i % _N_STREAMS}",
            f"{i % _N_STREAMS:032x}",
            i,
            "rows",
            encode(Rows(np.zeros((n_rows, 5)), columns, None, time.time())),
            received_at=time.time(),
            n_rows=n_rows,
            results=results,
            threshold=0.5,
        )
        for i in range(_N_TRANSACTIONS * _N_STREAMS)
    ]
    journal = Journal(directory / "freshet.sqlite")
    began = time.perf_counter()
    for i in range(0, len(entries), _N_STREAMS):
        journal.write(entries[i : i + _N_STREAMS])
    seconds = (time.perf_counter() - began) / (len(entries) * n_rows)
    journal.close()
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=14345)
    options = parser.parse_args()
    uvicorn.run(
        app,
        host=options.host,
        port=options.port,
        loop="uvloop",
        http="httptools",
        log_level="error",
        access_log=False,
    )


if __name__ == "__main__":
    main()
