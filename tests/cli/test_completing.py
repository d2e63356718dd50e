"""Completion in a shell: keys from the daemon, and silence without one."""

import asyncio
import os
import socket
import subprocess

import pytest

from monitor.core.model import Phase
from tests.cli.command import stagewatch
from tests.e2e.processes import STAGEWATCH
from tests.web.desk import key, open_desk, track


def complete(line: str, url: str) -> "subprocess.CompletedProcess[bytes]":
    """What bash would be offered behind this."""
    env = {
        **os.environ,
        "STAGEWATCH_URL": url,
        "_STAGEWATCH_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split(" ")) - 1),
    }
    return subprocess.run([STAGEWATCH], capture_output=True, env=env, timeout=20, check=False)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("stagewatch show 20", ["2016a", "2017b"]),
        ("stagewatch show 2017", ["2017b"]),
        ("stagewatch watch ware", ["warehouse/ads/2017b", "warehouse/analytics/2016a"]),
        ("stagewatch wait warehouse/an", ["warehouse/analytics/2016a"]),
        ("stagewatch logview warehouse/ads/20", ["warehouse/ads/2017b"]),
        ("stagewatch stop 20", ["2016a"]),
        ("stagewatch show nothing", []),
        ("stagewatch ls --phase failed,l", ["failed,lost"]),
    ],
)
async def test_keys(line: str, expected: list[str]) -> None:
    """Whole keys, bare ids or phases that begin so; `stop` is offered only what runs."""
    async with open_desk(track(key("2016a")), track(key("2017b", "ads"), Phase.SUCCEEDED)) as desk:
        done = await asyncio.to_thread(complete, line, desk.url)
    assert sorted(done.stdout.decode().split()) == expected
    assert done.stderr == b""


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "nonsense", "ftp://x", "http://[", ""])
def test_no_daemon(url: str) -> None:
    """Nothing is offered, and nothing is said."""
    done = complete("stagewatch show 20", url)
    assert (done.stdout.strip(), done.stderr) == (b"", b"")


def test_a_daemon_that_hangs() -> None:
    """Is not waited for: a person sits at the prompt."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        done = complete("stagewatch show 20", f"http://127.0.0.1:{silent.getsockname()[1]}")
    assert (done.stdout.strip(), done.stderr) == (b"", b"")


def test_shells_are_told_how() -> None:
    """The command offers to install its completion."""
    text = stagewatch("--help").stdout.decode()
    assert "--install-completion" in text
    assert "--show-completion" in text
