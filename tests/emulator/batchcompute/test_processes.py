"""Real processes, and that none is left."""

import asyncio
import io
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

import pytest

from monitor.emulator.batchcompute.output import Spool
from monitor.emulator.batchcompute.processes import Exit, Program, carry_out
from tests.emulator.batchcompute.workshop import alive

MARK = "TEST_MARK"
# Starts what is hard to get rid of: a child and a grandchild that ignore SIGTERM, and one in a session of its own.
STUBBORN = """
trap '' TERM
(sleep 1000 & exec sleep 1000) &
setsid sleep 1000 &
"""


class Bench:
    """Runs programs in one directory, and waits for what they write there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mark = f"mark-of-{folder.name}-{os.getpid()}"
        self.stdout, self.stderr = io.BytesIO(), io.BytesIO()

    async def run(self, command_line: str, *, seconds: float = 60.0, grace: float = 0.05) -> Exit:
        env = {MARK: self.mark, "PATH": os.environ["PATH"]}
        program = Program(command_line=command_line, folder=self.folder, env=env, mark=MARK, timeout=seconds)
        return await carry_out(program, Spool(self.stdout, 10**6), Spool(self.stderr, 10**6), grace=grace)

    @asynccontextmanager
    async def running(self, command_line: str, **kw: float) -> AsyncIterator["asyncio.Task[Exit]"]:
        """The program runs until it says `ready` through a named pipe, then the block begins."""
        os.mkfifo(self.folder / "ready")
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.run(command_line, **kw))
            await asyncio.to_thread((self.folder / "ready").read_bytes)
            yield task


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("command_line", "code"),
    [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -TERM $$", 143), ("no-such-program", 127)],
)
async def test_the_code_is_that_of_a_shell(command_line: str, code: int, bench: Bench) -> None:
    """A signal is 128 and its number."""
    assert await bench.run(command_line) == Exit(code, late=False)


@pytest.mark.asyncio
async def test_a_program_gets_its_directory_and_environment_and_no_input(bench: Bench) -> None:
    """And nothing else; what it writes arrives by stream."""
    await bench.run("pwd; env | grep -v PWD; cat; echo oops >&2")
    lines = bench.stdout.getvalue().decode().splitlines()
    assert lines[0] == str(bench.folder)
    assert sorted(line.partition("=")[0] for line in lines[1:] if not line.startswith(("_=", "SHLVL="))) == [
        "PATH",
        MARK,
    ]
    assert bench.stderr.getvalue() == b"oops\n"


@pytest.mark.asyncio
async def test_two_streams_at_once_do_not_wait_for_each_other(bench: Bench) -> None:
    """A program that fills one pipe before it writes to the other ends."""
    await bench.run("head -c 300000 /dev/zero >&2; head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2")
    assert (len(bench.stdout.getvalue()), len(bench.stderr.getvalue())) == (300_000, 600_000)


@pytest.mark.asyncio
async def test_time_that_is_up_ends_it(bench: Bench) -> None:
    """With the signal that it ended by, and with what it wrote before."""
    assert await bench.run("echo working; exec sleep 1000", seconds=0.1) == Exit(143, late=True)
    assert bench.stdout.getvalue() == b"working\n"


@pytest.mark.asyncio
async def test_who_is_asked_to_end_may_tidy_up(bench: Bench) -> None:
    """It is asked before it is killed."""
    command_line = "trap 'echo tidied; exit 3' TERM; while :; do sleep 0.01; done"
    assert await bench.run(command_line, seconds=0.2, grace=30.0) == Exit(3, late=True)
    assert bench.stdout.getvalue() == b"tidied\n"


@pytest.mark.asyncio
async def test_nothing_outlives_the_time(bench: Bench) -> None:
    """However it resists."""
    assert await bench.run(f"{STUBBORN} wait", seconds=0.3) == Exit(137, late=True)
    assert alive(bench.mark) == []


@pytest.mark.asyncio
async def test_nothing_outlives_a_cancellation(bench: Bench) -> None:
    """When the cancelled run has returned, children, grandchildren and daemons are gone."""
    async with bench.running(f"{STUBBORN} echo >ready; wait") as task:
        assert len(alive(bench.mark)) >= 3
        task.cancel()
        await asyncio.wait((task,))
        assert alive(bench.mark) == []
    assert task.cancelled()


@pytest.mark.asyncio
async def test_a_second_cancellation_does_not_hurry_it(bench: Bench) -> None:
    """The run still returns only when nothing is left."""
    async with bench.running(f"{STUBBORN} echo >ready; wait", grace=0.2) as task:
        for _ in range(5):
            task.cancel()
            await asyncio.sleep(0)
        await asyncio.wait((task,))
        assert alive(bench.mark) == []
    assert task.cancelled()


@pytest.mark.asyncio
async def test_nothing_outlives_the_shell(bench: Bench) -> None:
    """What a program leaves in the background when it ends well is ended too, and does not spoil its end."""
    assert await bench.run(f"{STUBBORN} exit 0") == Exit(0, late=False)
    assert alive(bench.mark) == []


@pytest.mark.asyncio
async def test_who_holds_a_pipe_in_secret_holds_up_nobody(bench: Bench) -> None:
    """A process that has shed both session and mark cannot be told from a stranger; the run ends nevertheless."""
    begun = monotonic()
    done = await bench.run(
        "env -i setsid sh -c 'echo $$ >pid; exec sleep 1000' & while ! [ -s pid ]; do sleep 0.01; done"
    )
    os.kill(int((bench.folder / "pid").read_text()), 9)
    assert done == Exit(0, late=False)
    assert monotonic() - begun < 30


@pytest.mark.asyncio
async def test_a_cancellation_at_any_moment_leaves_nothing(bench: Bench) -> None:
    """Also while it is being started."""
    for turns in range(12):
        async with asyncio.TaskGroup() as group:
            task = group.create_task(bench.run("sleep 1000 & sleep 1000"))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
        assert task.cancelled()
        assert alive(bench.mark) == []


@pytest.mark.asyncio
@pytest.mark.parametrize("spoil", [lambda text: f"{text}\0", lambda text: f"{text} {'x' * 3_000_000}"])
async def test_what_cannot_be_started_raises(spoil: Callable[[str], str], bench: Bench) -> None:
    """A NUL, or more than the system takes."""
    with pytest.raises((ValueError, OSError)):
        await bench.run(spoil("echo"))


@pytest.mark.asyncio
async def test_strangers_are_left_alone(bench: Bench) -> None:
    """Neither a child of this process nor another program's processes are touched."""
    stranger = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "input()", stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    await bench.run("sleep 1000 & exit 0")
    await stranger.communicate(b"end\n")
    assert stranger.returncode == 0
