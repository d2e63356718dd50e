"""How a place in a job description is written: `DAG.Tasks.count.InputMapping["oss://bucket/in/"]`, `Events[0]`."""

import json
import re

from monitor.core.text import clip

Place = tuple[str | int, ...]

_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
_LONGEST_KEY = 128


def place(parts: Place) -> str:
    """A key that is no plain word is quoted, so that a dot in it does not mislead."""
    text = ""
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
            continue
        key = clip(part, _LONGEST_KEY)
        if not _PLAIN.fullmatch(part):
            text += f"[{json.dumps(key, ensure_ascii=not key.isprintable())}]"
        else:
            text += f".{key}" if text else key
    return text
