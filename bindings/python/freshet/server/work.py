"""Work that takes long, beside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from freshet.server.problems import Problem

__all__ = ["WorkPool"]

_T = TypeVar("_T")

#: What waits for each thread, so that the bodies of waiting requests do not fill the memory.
_WAITING_PER_THREAD: Final = 32


class WorkPool:
    """Threads that do what must not hold up the event loop, and send away what is too much.

    Parameters
    ----------
    name : str
        What the threads are called.
    n_threads : int
    max_waiting : int, optional
        Calls that may wait for a thread.
    """

    def __init__(self, name: str, n_threads: int, max_waiting: int | None = None) -> None:
        self._executor = ThreadPoolExecutor(n_threads, thread_name_prefix=f"freshet-{name}")
        waiting = n_threads * _WAITING_PER_THREAD if max_waiting is None else max_waiting
        self._name = name
        self._most = n_threads + waiting
        self._n = 0

    async def run(self, function: Callable[[], _T]) -> _T:
        """Call a function in a thread; from the event loop.

        It is called even if nobody waits for it any more, so that nothing is left half done.

        Raises
        ------
        Problem
            503 if too much waits already.
        """
        if self._n >= self._most:
            raise Problem(
                503,
                f"{self._n} requests for {self._name} are in progress; try again later",
                id="overloaded",
                title="The service is busy",
                headers={"Retry-After": "1"},
            )
        future = asyncio.get_running_loop().run_in_executor(self._executor, function)
        self._n += 1
        future.add_done_callback(self._ended)
        return await asyncio.shield(future)

    def close(self) -> None:
        """Do what is begun or waits, then end the threads."""
        self._executor.shutdown()

    def _ended(self, future: asyncio.Future[Any]) -> None:
        self._n -= 1
        if not future.cancelled():
            future.exception()  # Nobody may be left to hear of it.
