"""`stagewatch parse`: progress lines in, JSON lines out."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from monitor.cli.exits import USAGE, stop_with
from monitor.cli.streams import standard_input
from monitor.core.progress import encode_line, parse_line


def parse_progress(files: Sequence[Path]) -> None:
    """Print what these files (or standard input) hold; count on stderr what they do not."""
    skipped = malformed = 0
    out = sys.stdout.buffer
    for number, line in _lines(files):
        parsed = parse_line(line)
        if parsed is not None:
            malformed += parsed.skipped
        if parsed is None or not parsed.stages:
            skipped += 1
            continue
        out.write(encode_line(number, parsed) + b"\n")
    out.flush()
    if skipped or malformed:
        print(f"skipped: {skipped} lines without progress, {malformed} malformed tokens", file=sys.stderr)


def _lines(files: Sequence[Path]) -> Iterator[tuple[int, str]]:
    """Numbered from 1 in each file."""
    if not files:
        try:
            yield from enumerate((raw.decode("utf-8", "replace") for raw in standard_input()), start=1)
        except OSError as error:
            stop_with(f"cannot read standard input: {error.strerror}", USAGE)
    for file in files:
        try:
            with file.open(encoding="utf-8", errors="replace", newline="\n") as text:
                yield from enumerate(text, start=1)
        except OSError as error:
            stop_with(f"cannot read {file}: {error.strerror}", USAGE)
