"""The real programs, started as a user starts them, each on a port that the system chose."""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

STAGEWATCH = Path(sys.executable).parent / "stagewatch"


class Running:
    """A process whose output is kept line by line, and that says where it listens."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.lines: list[str] = []
        self.url = ""
        self._said = threading.Condition()
        self._silent = False  # it has ended, or closed its output
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._said:
                self.lines.append(line)
                self._said.notify_all()
        with self._said:
            self._silent = True
            self._said.notify_all()

    def wait_for(self, pattern: str, within: float = 30.0) -> re.Match[str]:
        """The first match in what it says, now or later."""

        def found() -> re.Match[str] | bool | None:
            match = next((match for line in self.lines if (match := re.search(pattern, line))), None)
            return match or self._silent

        with self._said:
            result = self._said.wait_for(found, within)
        assert isinstance(result, re.Match), f"it did not say {pattern!r}:\n{''.join(self.lines)}"
        return result

    @property
    def output(self) -> str:
        """Everything it said so far."""
        return "".join(self.lines)

    def end(self) -> int:
        """Let it stop as an operator would; its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(20)
        self._reader.join(5)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@contextmanager
def running(arguments: Sequence[str], *, env: Mapping[str, str] | None = None) -> Iterator[Running]:
    """Start `stagewatch ARGUMENTS` and wait until it says an address; end it when the block is left."""
    process = subprocess.Popen(
        [STAGEWATCH, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env
    )
    program = Running(process)
    try:
        program.url = program.wait_for(r"http://[\d.]+:\d+")[0]
        yield program
    finally:
        program.end()


MAXCOMPUTE, BATCHCOMPUTE = "maxcompute", "batchcompute"
_SECTIONS = {
    MAXCOMPUTE: "name: warehouse\n    endpoint: {endpoint}/api\n    projects: [demo]",
    BATCHCOMPUTE: "name: render\n    endpoint: {endpoint}\n    region: cn-qingdao",
}


def config(
    endpoint: str,
    *,
    store: Path | None,
    hook: str,
    kinds: Sequence[str] = (MAXCOMPUTE,),
    sweep_every: str = "1s",
    reconcile_every: str = "1s",
    requests_per_second: float = 200,
    listen: str = "127.0.0.1:0",
) -> str:
    """A config file for one emulated project of each of the kinds."""
    storage = f"{{type: sqlite, path: {store}}}" if store else "{type: memory}"
    sources = "".join(
        f"""
  - type: {kind}
    {_SECTIONS[kind].format(endpoint=endpoint)}
    access_id: tester
    access_key: demo-secret
    sweep_every: {sweep_every}
    reconcile_every: {reconcile_every}
    requests_per_second: {requests_per_second}"""
        for kind in kinds
    )
    return f"""
listen: {listen}
storage: {storage}
sources:{sources}
alerts:
  channels:
    - {{name: team, type: webhook, url: "{hook}"}}
"""
