"""How a place in a job description is written: `DAG.Tasks.count.InputMapping["oss://bucket/in/"]`, `Events[0]`."""

import json
import re

Place = tuple[str | int, ...]

_PLAIN = re.compile(r"[A-Za-z0-9_-]+")


def place(parts: Place) -> str:
    """A key that is no plain word is quoted, so that a dot in it does not mislead."""
    text = ""
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
        elif not _PLAIN.fullmatch(part):
            text += f"[{json.dumps(part, ensure_ascii=not part.isprintable())}]"
        else:
            text += f".{part}" if text else part
    return text
