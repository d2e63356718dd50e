"""Programs as local processes, of which nothing is left when a run is over."""

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from monitor.emulator.batchcompute.output import Spool, piped, pump
from monitor.emulator.batchcompute.unbroken import unbroken

_PROC = Path("/proc")
_TELLING = _PROC / "self/stat"
_FIRST_PAUSE = 0.01  # seconds until it is looked again who is left; looking costs more than waiting
_DRAIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to run with `/bin/sh -c`, and for how many seconds. `env` is all that it sees of this process.

    `mark` is a variable of `env` whose value no other process has: whoever inherits it belongs to the program.
    """

    command_line: str
    folder: Path
    env: Mapping[str, str]
    mark: str
    timeout: float


@dataclass(frozen=True, slots=True)
class Exit:
    """The code as shells give it: 128 and its number for a signal. `late` is what was stopped when its time was up."""

    code: int
    late: bool


async def carry_out(program: Program, stdout: Spool, stderr: Spool, *, grace: float) -> Exit:
    """Runs a program to its end, and ends whatever it has started and left behind.

    Too late or cancelled, all of it is asked to end, and killed after `grace` seconds. Raises OSError or ValueError if
    it cannot be started.
    """
    crew = Crew(f"{program.mark}={program.env[program.mark]}")
    async with piped() as (out_entry, out), piped() as (err_entry, err):
        try:
            process = crew.leader = await asyncio.create_subprocess_exec(
                *("/bin/sh", "-c", program.command_line),
                stdin=DEVNULL,
                stdout=out_entry,
                stderr=err_entry,
                cwd=program.folder,
                env=program.env,
                start_new_session=True,
            )
            out_entry.close()
            err_entry.close()
            async with asyncio.TaskGroup() as group:
                pumps = [group.create_task(pump(*stream)) for stream in ((out, stdout), (err, stderr))]
                try:
                    late = await _outlasts(process, program.timeout)
                finally:
                    await crew.end(grace)
                await asyncio.wait(pumps, timeout=_DRAIN_SECONDS)
                for task in pumps:
                    task.cancel()  # who has shed both mark and session may hold a pipe for ever
        finally:
            if crew.leader is None:  # cancelled while it was being started
                await crew.end(grace)
    code = process.returncode or 0
    return Exit(128 - code if code < 0 else code, late)


async def _outlasts(process: Process, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await process.wait()
    except TimeoutError:
        return True
    return False


class Crew:
    """The processes of one program: its shell, all in the shell's session, and all that inherited the mark.

    Only a Linux with /proc tells which those are; elsewhere they are those of the shell's process group.
    """

    def __init__(self, mark: str) -> None:
        self._mark = os.fsencode(mark)
        self.leader: Process | None = None

    async def end(self, grace: float) -> None:
        """Asks them to end, kills them after `grace` seconds, and returns when none is left, whoever cancels it."""
        await unbroken(self._end(grace))

    async def _end(self, grace: float) -> None:
        loop = asyncio.get_running_loop()
        patience = loop.time() + grace
        number, pause = int(signal.SIGTERM), _FIRST_PAUSE
        while await asyncio.to_thread(self._signal, number):
            left = patience - loop.time()
            await asyncio.sleep(min(pause, left) if left > 0 else _FIRST_PAUSE)
            number, pause = signal.SIGKILL if loop.time() >= patience else 0, pause * 2
        if self.leader is not None:
            await self.leader.wait()

    def _signal(self, number: int) -> bool:
        """Sends a signal, or 0 for none, to all that are alive; says whether any was."""
        if not _TELLING.exists():
            return self.leader is not None and _reaches(os.killpg, self.leader.pid, number)
        reached = [_reaches(os.kill, pid, number) for pid in self._alive()]
        return any(reached)

    def _alive(self) -> list[int]:
        leader = str(self.leader.pid).encode() if self.leader else b""
        with os.scandir(_PROC) as entries:
            return [int(entry.name) for entry in entries if entry.name.isdecimal() and self._has(entry.path, leader)]

    def _has(self, path: str, leader: bytes) -> bool:
        status = _read(f"{path}/stat")
        state, _, group, session = status[status.rfind(b")") + 1 :].split(None, 4)[:4] or (b"X", b"", b"", b"")
        if state in b"ZX":  # dead; at most nobody has fetched it yet
            return False
        return leader in {group, session} or self._mark in _read(f"{path}/environ").split(b"\0")


def _reaches(send: Callable[[int, int], None], whom: int, number: int) -> bool:
    try:
        send(whom, number)
    except (ProcessLookupError, PermissionError):  # gone, or somebody else's: a program may have become another user
        return False
    return True


def _read(path: str) -> bytes:
    try:
        with FileIO(path) as file:
            return file.readall() or b""
    except OSError:  # the process has gone, or is somebody else's
        return b""
