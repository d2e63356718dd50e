"""A real terminal of a given size, and what stands on its screen."""

import asyncio
import os
import shlex
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tests.e2e.eventually import eventually
from tests.e2e.processes import STAGEWATCH


class Terminal:
    """A tmux server of its own, with one window."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def _tmux(self, *arguments: str) -> str:
        # The window has a size of its own: the one in the environment is of the terminal where the tests were started.
        env = {name: value for name, value in os.environ.items() if name not in {"LINES", "COLUMNS"}}
        done = await asyncio.to_thread(
            subprocess.run,
            ["tmux", "-S", self._socket, *arguments],
            capture_output=True,
            check=True,
            timeout=20,
            env=env,
        )
        return done.stdout.decode()

    async def start(self, command: Sequence[str | Path], width: int, height: int, env: Mapping[str, str]) -> None:
        """Run it in a window of this size. What it printed stays when it ends, and behind it its exit code."""
        said = " ".join(shlex.quote(str(word)) for word in command)
        given = [word for name, value in env.items() for word in ("-e", f"{name}={value}")]
        size = ["-x", str(width), "-y", str(height)]
        script = f"trap : INT; {said}; echo exit=$?; exec cat"  # Ctrl-C is for the command, and not for this
        await self._tmux("-f", os.devnull, "new-session", "-d", *size, *given, "sh", "-c", script)

    async def screen(self) -> list[str]:
        """The lines as they stand."""
        return (await self._tmux("capture-pane", "-p")).rstrip("\n").split("\n")

    async def press(self, *keys: str) -> None:
        """Type keys, by tmux's names."""
        await self._tmux("send-keys", *keys)

    async def resize(self, width: int, height: int) -> None:
        """Give the window another size."""
        await self._tmux("resize-window", "-x", str(width), "-y", str(height))

    async def until(self, good: Callable[[str], bool], *, within: float = 30.0) -> list[str]:
        """The screen, once it is good; fail with the screen as it stands when it never is."""
        try:
            return await eventually(self.screen, lambda lines: good("\n".join(lines)), within=within)
        except TimeoutError:
            raise AssertionError("\n".join(await self.screen())) from None

    async def end(self) -> None:
        """End what runs in it."""
        await self._tmux("kill-server")


@asynccontextmanager
async def terminal(
    *arguments: str, url: str, width: int = 80, height: int = 24, env: Mapping[str, str] | None = None
) -> AsyncIterator[Terminal]:
    """`stagewatch ARGUMENTS` in a terminal of this size, against the daemon at `url`."""
    with tempfile.TemporaryDirectory() as folder:
        shown = Terminal(Path(folder) / "tmux")
        given = {"STAGEWATCH_URL": url, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", **(env or {})}
        await shown.start([STAGEWATCH, *arguments], width, height, given)
        try:
            yield shown
        finally:
            await shown.end()
