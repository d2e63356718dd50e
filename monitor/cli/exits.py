"""How the command ends: exit codes, and one line on stderr that says why."""

import sys
from typing import NoReturn

FAILED = 1  # the config or the address is at fault; what was waited for did not succeed
USAGE = 2  # also: the daemon cannot be reached, the key is unknown
TIMED_OUT = 124  # as `timeout` of coreutils has it
INTERRUPTED = 130  # 128 + SIGINT, as shells have it
TERMINATED = 143  # 128 + SIGTERM
CRASHED = 70  # EX_SOFTWARE: the daemon stopped because it could not keep its promises


def stop_with(message: str, code: int) -> NoReturn:
    """End the process. A message of several lines speaks for itself."""
    print(message if "\n" in message else f"stagewatch: {message}", file=sys.stderr)
    raise SystemExit(code)
