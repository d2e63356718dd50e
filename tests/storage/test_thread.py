"""A thread of one's own, on both loops."""

import threading

import anyio
import pytest

from monitor.storage.thread import Worker

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Both loops."""
    return str(request.param)


async def test_jobs_run_in_one_thread_that_is_not_ours() -> None:
    """Every job sees the same thread, and it is not the loop's."""
    worker = Worker("a worker")
    seen = {await worker.run(threading.current_thread) for _ in range(3)}
    worker.close()
    (thread,) = seen
    assert thread.name == "a worker"
    assert thread is not threading.current_thread()
    thread.join(5)
    assert not thread.is_alive()


async def test_jobs_run_one_at_a_time_in_order() -> None:
    """Whoever asked first is served first."""
    worker, ran = Worker("a worker"), list[int]()
    gate = threading.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(worker.run, gate.wait)
        await anyio.wait_all_tasks_blocked()
        for number in range(5):
            group.start_soon(worker.run, lambda number=number: ran.append(number))
            await anyio.wait_all_tasks_blocked()
        assert ran == []
        gate.set()
    worker.close()
    assert ran == [0, 1, 2, 3, 4]


async def test_an_error_comes_back_to_the_caller() -> None:
    """It is the same error, and the thread goes on."""
    worker = Worker("a worker")
    with pytest.raises(ZeroDivisionError):
        await worker.run(lambda: 1 / 0)
    assert await worker.run(lambda: 2) == 2
    worker.close()


async def test_a_caller_may_leave_and_the_job_runs_to_its_end() -> None:
    """A time limit frees the caller of a job that hangs; the next job still waits for it."""
    worker, gate, ran = Worker("a worker"), threading.Event(), list[str]()
    with anyio.move_on_after(0.01) as scope:
        await worker.run(lambda: ran.append("first") if gate.wait(5) else None)
    assert scope.cancelled_caught
    assert ran == []
    gate.set()
    await worker.run(lambda: ran.append("second"))
    assert ran == ["first", "second"]
    worker.close()


def test_a_job_may_outlive_its_loop() -> None:
    """When nobody waits any more, the thread still ends in order."""
    worker, gate, ran = Worker("a worker"), threading.Event(), list[int]()

    async def leave() -> None:
        with anyio.move_on_after(0.01):
            await worker.run(lambda: ran.append(1) if gate.wait(5) else None)

    anyio.run(leave)
    gate.set()

    async def again() -> int:
        return await worker.run(lambda: 2)

    assert anyio.run(again) == 2
    assert ran == [1]
    worker.close()
