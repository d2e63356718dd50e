import urllib.request

import pytest

from monitor.emulator.server import EmulatorOptions
from monitor.emulator.threaded import serve_in_thread


def test_a_blocking_program_can_use_it() -> None:
    """It serves from a thread of its own, and is gone after the block."""
    with serve_in_thread(EmulatorOptions()) as emulator:
        response = urllib.request.urlopen(f"{emulator.endpoint}/logview/host")
        with response:
            assert response.read().decode() == emulator.url
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"{emulator.endpoint}/logview/host")


def test_a_failure_to_start_comes_out() -> None:
    """As if it had been served in this thread."""
    with pytest.raises(ValueError, match="not a loopback address"), serve_in_thread(EmulatorOptions(host="0.0.0.0")):
        pytest.fail("it serves")
