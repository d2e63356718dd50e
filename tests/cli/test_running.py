"""How a long-lived command starts and fails."""

import socket
from pathlib import Path

from tests.cli.command import GOOD, one_line, stagewatch


def test_serve_on_taken_address(tmp_path: Path) -> None:
    """An address that is taken is one clear line."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        file = tmp_path / "stagewatch.yaml"
        file.write_text(GOOD)
        done = stagewatch("serve", "--config", file, "--listen", f"127.0.0.1:{port}")
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr.decode().splitlines()[-1]
    assert b"Traceback" not in done.stderr


def test_emulate_refuses_other_hosts() -> None:
    """The emulator runs commands for whoever asks, so it stays on this machine unless told otherwise."""
    done = stagewatch("emulate", "--listen", "0.0.0.0:0")
    assert done.returncode == 1
    assert "--allow-remote" in one_line(done)
