"""The real command, run to its end."""

import subprocess
from pathlib import Path

from tests.e2e.processes import STAGEWATCH

GOOD = """
storage: {type: memory}
sources:
  - {type: maxcompute, name: warehouse, endpoint: "https://service.maxcompute.example/api", projects: [analytics],
     access_id: me, access_key: a-made-up-key}
"""


def stagewatch(*arguments: str | Path, stdin: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    """Run the real command to its end."""
    return subprocess.run([STAGEWATCH, *arguments], input=stdin, capture_output=True, timeout=30, check=False)


def one_line(done: "subprocess.CompletedProcess[bytes]") -> str:
    """What it said on stderr: one line, no traceback."""
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 1, lines
    return lines[0]
