"""A thread of one's own for calls that block: jobs run one at a time, in the order in which they were given.

Why not `anyio.to_thread`: its threads are shared, and a call there either cannot be abandoned, so that a hanging disk
takes the caller's time limit with it, or frees its limiter when abandoned, so that the next call overlaps it.
Here a caller may leave at its time limit; the job keeps its place, and nothing else runs before it has ended.
"""

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import TypeVar

from anyio import Event, from_thread
from anyio.lowlevel import current_token

T = TypeVar("T")


class Worker:
    """One thread. It never keeps the process alive: a job that hangs is cut off when the process exits."""

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        Thread(target=self._work, name=name, daemon=True).start()

    async def run(self, job: Callable[[], T]) -> T:
        """What the job returns or raises. If the caller is cancelled, the job still runs to its end, in its turn."""
        done, token, future = Event(), current_token(), Future[T]()

        def work() -> None:
            try:
                future.set_result(job())
            except BaseException as error:  # noqa: BLE001 - it is raised again where the job was given
                future.set_exception(error)
            with suppress(RuntimeError):  # the loop has ended, and nobody waits
                from_thread.run_sync(done.set, token=token)

        self._jobs.put(work)
        await done.wait()
        return future.result()

    def close(self) -> None:
        """End the thread after the jobs it has."""
        self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
