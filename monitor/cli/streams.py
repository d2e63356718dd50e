"""Standard streams, which whoever starts the command may have closed."""

import errno
import io
import os
import sys
from typing import BinaryIO


def hold_standard_streams() -> None:
    """Keep closed ones from becoming those of a file or a connection that is opened later, and write to nobody there.

    A closed input stays what it is for `standard_input`.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free, which is this one
    sys.stdout = sys.stdout or _writing(1)
    sys.stderr = sys.stderr or _writing(2)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # not every terminal knows every name's letters


def standard_input() -> BinaryIO:
    """Its bytes. Raises OSError where it is closed."""
    if sys.stdin is None:
        raise OSError(errno.EBADF, "it is closed")
    return sys.stdin.buffer


def _writing(number: int) -> io.TextIOWrapper:
    return os.fdopen(number, "w", encoding="utf-8", closefd=False)
