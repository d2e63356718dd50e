"""How a long-lived command starts and fails."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from tests.cli.command import GOOD, one_line, stagewatch
from tests.e2e.processes import config, running


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


def test_hanging_up_reloads(tmp_path: Path) -> None:
    """SIGHUP takes over the config as it stands on disk; a broken one is refused by name, and the daemon goes on."""
    file = tmp_path / "stagewatch.yaml"
    good = config("http://127.0.0.1:9", store=None, hook="http://127.0.0.1:9/")
    file.write_text(good)
    with running(["serve", "--config", str(file)]) as daemon:
        file.write_text(good + "  rules: [{name: Trouble, when: failed}]\n")
        os.kill(daemon.process.pid, signal.SIGHUP)
        daemon.wait_for(r"event=reloaded .*Trouble")
        file.write_text(good + "  rulez: []\n")
        os.kill(daemon.process.pid, signal.SIGHUP)
        assert "alerts.rulez: no such key" in daemon.wait_for(r"event=reload_refused .*").string
        file.write_text(good + "  rules: [{name: Calm, when: failed}]\n")
        os.kill(daemon.process.pid, signal.SIGHUP)
        daemon.wait_for(r"event=reloaded .*Calm")
        assert daemon.end() == 0


def test_a_fault_of_the_program_is_one_line_behind_its_trace() -> None:
    """Whoever starts it again by its exit code can tell it from a config that is wrong."""
    program = (
        "from monitor.cli.running import run\n"
        "async def work(stop):\n"
        "    raise KeyError('nobody expected this')\n"
        "run(work, told=(OSError,))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    lines = done.stderr.splitlines()
    assert done.returncode == 70
    assert lines[-1] == (
        "stagewatch: stopped by a fault of the program, whose trace is above: KeyError('nobody expected this')"
    )
    assert "in work" in done.stderr
