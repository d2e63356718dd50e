"""The first thing that anybody sees: `stagewatch demo`."""

import os
import pty
import select
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.e2e.eventually import eventually
from tests.e2e.processes import STAGEWATCH, running

SOURCES = {"warehouse": "maxcompute", "render": "batchcompute"}


def stages_of(shown: list[dict[str, Any]]) -> dict[str, list[tuple[int, int]]]:
    """Workers running and terminated in each stage, of the instances that have stages."""
    found = {
        one["key"]: [(stage["running"], stage["terminated"]) for task in one["tasks"] for stage in task["stages"]]
        for one in shown
    }
    return {key: stages for key, stages in found.items() if stages}


@pytest.mark.asyncio
async def test_demo_shows_life() -> None:
    """Within seconds the dashboard's address shows instances of both services moving through stages, graphs of tasks
    among them, and a failed one whose alert arrived at the receiver that prints it; Ctrl-C ends everything quickly,
    without a traceback."""
    with running(["demo", "--listen", "127.0.0.1:0"]) as demo:
        dashboard = demo.wait_for(r"dashboard\s+(http://[\d.]+:\d+)/")[1]
        async with aiohttp.ClientSession(dashboard) as http:

            async def instances() -> list[dict[str, Any]]:
                async with http.get("/api/v1/instances", params={"limit": "1000"}) as answer:
                    return list((await answer.json())["instances"])

            def lively(shown: list[dict[str, Any]]) -> bool:
                sources = [key.split("/")[0] for key in stages_of(shown)]
                return min(sources.count(source) for source in SOURCES) >= 3 and {"failed", "running", "waiting"} <= {
                    one["phase"] for one in shown
                }

            shown = await eventually(instances, lively, within=30)
            before = stages_of(shown)
            assert len({len(stages) for stages in before.values()}) > 1, "several kinds: of one stage, and of several"
            assert {(one["source"], one["kind"]) for one in shown} == SOURCES.items()
            assert any(task["depends_on"] for one in shown for task in one["tasks"])

            def moved(shown: list[dict[str, Any]]) -> bool:
                now = stages_of(shown)
                keys = [key for key, stages in before.items() if now.get(key, stages) != stages]
                return min(sum(key.startswith(f"{source}/") for key in keys) for source in SOURCES) >= 2

            await eventually(instances, moved, within=30)
            async with http.get("/") as answer:
                assert answer.status == 200
                assert "Stagewatch" in await answer.text()
        demo.wait_for(r"ALERT InstanceFailed: .*: .*ODPS-\d+", within=30)
        asked = time.monotonic()
        os.kill(demo.process.pid, signal.SIGINT)
        assert demo.process.wait(10) == 0
        assert time.monotonic() - asked < 5  # a promise to users, not a benchmark: it takes well under one second
    assert "Traceback" not in demo.output


class Terminal:
    """A program in the foreground of a terminal of its own."""

    def __init__(self, command: Sequence[str | Path], folder: Path) -> None:
        self._pid, self._screen = pty.fork()
        if not self._pid:
            os.chdir(folder)
            os.execvp(command[0], [str(word) for word in command])
        self._shown = bytearray()

    def wait_for(self, words: str, within: float = 30.0) -> None:
        """Read until the screen shows these words."""
        until = time.monotonic() + within
        while words not in self.shown:
            assert select.select([self._screen], [], [], until - time.monotonic())[0], self.shown
            assert self._read(), self.shown

    def press(self, key: bytes) -> None:
        """The terminal makes of it what terminals do: Ctrl-C is a signal to all that is in the foreground."""
        os.write(self._screen, key)

    def end(self) -> int:
        """Read until the program lets go of the terminal; its exit code, or minus the signal that ended it."""
        while self._read():
            pass
        _, status = os.waitpid(self._pid, 0)
        os.close(self._screen)
        return os.waitstatus_to_exitcode(status)

    @property
    def shown(self) -> str:
        """Everything that is on the screen."""
        return self._shown.decode()

    def _read(self) -> bool:
        try:
            got = os.read(self._screen, 65_536)
        except OSError:  # this is how Linux tells that nobody has the terminal open any more
            return False
        self._shown += got
        return bool(got)


RECIPE = "demo:\n\t@{stagewatch} demo --listen 127.0.0.1:0\n"


@pytest.mark.parametrize(("by", "codes"), [("itself", {0}), ("make", {130, -signal.SIGINT})])
def test_ctrl_c_in_a_terminal(tmp_path: Path, by: str, codes: set[int]) -> None:
    """Pressed in a terminal, where it reaches `make` and the program alike: the end comes soon, without a traceback."""
    (tmp_path / "Makefile").write_text(RECIPE.format(stagewatch=STAGEWATCH))
    command = ["make", "demo"] if by == "make" else [STAGEWATCH, "demo", "--listen", "127.0.0.1:0"]
    terminal = Terminal(command, tmp_path)
    terminal.wait_for("Ctrl-C ends everything.")
    asked = time.monotonic()
    terminal.press(b"\x03")
    code = terminal.end()
    assert code in codes, terminal.shown
    assert time.monotonic() - asked < 5  # a promise to users, not a benchmark: it takes about two seconds
    assert "Traceback" not in terminal.shown
