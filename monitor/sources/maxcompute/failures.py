"""Reads the text that a failed task leaves: `[FAILED: ]ODPS-MMCCCCX:[line,col] General text - context`.

Pure. The code is found wherever it stands, the text is kept as the service wrote it, and who has to act is looked up
in one table: the longest beginning of the code that the table has.
"""

import re

from monitor.core.model import Category, Failure
from monitor.core.text import clip
from monitor.sources.base import SourceError
from monitor.sources.maxcompute.markup import parse, text_of

LONGEST_TEXT = 8_000
LONGEST_NAME = 256

_CODE = re.compile(r"ODPS[-_]\d{7}(?!\d)")
_PREFIX = re.compile(r"\A\s*FAILED:", re.IGNORECASE)

# Modules: 00 common, 01 SQL, 02 procedures, 03 tunnel, 04 the API, 05 XLib, 07 MapReduce, 11 XFlow, 12 algorithms,
# 18 query acceleration. The last of the seven digits is a severity and tells nothing about who has to act.
_CATEGORIES = {
    "ODPS-00": Category.SYSTEM,
    "ODPS-0110": Category.SYSTEM,
    "ODPS-011001": Category.PERMISSION,
    "ODPS-011002": Category.CODE,  # invalid parameters
    "ODPS-011003": Category.CODE,  # invalid object type
    "ODPS-011004": Category.CODE,  # invalid meta operation
    "ODPS-011006": Category.CODE,  # a statement that defines failed
    "ODPS-0120": Category.SYSTEM,
    "ODPS-012001": Category.PERMISSION,
    "ODPS-012002": Category.CODE,
    "ODPS-0121": Category.DATA,  # a built-in function met a value that it cannot take
    "ODPS-012104": Category.CODE,  # unsupported return type
    "ODPS-012107": Category.CODE,  # number of arguments
    "ODPS-012110": Category.CODE,  # constant expected
    "ODPS-012111": Category.CODE,  # column expected
    "ODPS-012112": Category.CODE,  # unsupported function
    "ODPS-012113": Category.RESOURCES,  # memory
    "ODPS-0123": Category.SYSTEM,
    "ODPS-012302": Category.CODE,
    "ODPS-012303": Category.DATA,  # partitions
    "ODPS-012304": Category.RESOURCES,  # buffer overflow
    "ODPS-012305": Category.CODE,  # script
    "ODPS-012306": Category.RESOURCES,  # join
    "ODPS-012308": Category.DATA,  # datetime text
    "ODPS-012309": Category.DATA,  # type cast
    "ODPS-012310": Category.RESOURCES,  # the job was killed
    "ODPS-012311": Category.DATA,  # datetime format
    "ODPS-012312": Category.RESOURCES,  # map join
    "ODPS-012313": Category.CODE,  # user defined function
    "ODPS-012314": Category.RESOURCES,  # workers restarted: memory, or no sign of life in time
    "ODPS-0130": Category.CODE,
    "ODPS-013000": Category.SYSTEM,
    "ODPS-013001": Category.PERMISSION,
    "ODPS-013002": Category.SYSTEM,
    "ODPS-0140": Category.CODE,
    "ODPS-014000": Category.SYSTEM,
    "ODPS-014017": Category.PERMISSION,  # sandbox violation
    "ODPS-0410": Category.PERMISSION,
    "ODPS-041006": Category.SYSTEM,
    "ODPS-041007": Category.SYSTEM,
    "ODPS-0420": Category.CODE,
    "ODPS-042009": Category.PERMISSION,
    "ODPS-042015": Category.SYSTEM,
    "ODPS-0430": Category.SYSTEM,
    "ODPS-1202": Category.CODE,  # an algorithm failed
    "ODPS-122": Category.CODE,
    "ODPS-123": Category.SYSTEM,
    "ODPS-180": Category.SYSTEM,
    "ODPS-181": Category.SYSTEM,
    "ODPS-182": Category.PERMISSION,
    "ODPS-183": Category.RESOURCES,
    "ODPS-184": Category.SYSTEM,
    "ODPS-185": Category.CODE,
    "ODPS-186": Category.RESOURCES,
}
_LONGEST_KEY = max(map(len, _CATEGORIES))

# Said in the text of codes that mean many things. Looked for only where the table blames the service or nobody.
_TELLING = (
    (
        re.compile(r"out of memory|OutOfMemory|\bOOM\b|memory limit|InstanceMonitorTimeout|quota", re.IGNORECASE),
        Category.RESOURCES,
    ),
    (
        re.compile(r"access denied|no privilege|no permission|AccessControlException", re.IGNORECASE),
        Category.PERMISSION,
    ),
)


def read_failure(task: str, text: str) -> Failure:
    """What the result text of a failed task says."""
    code, message = _split(text)
    message = clip(_PREFIX.sub("", message, count=1).strip(), LONGEST_TEXT)
    found = _CODE.search(message) or _CODE.search(code)
    code = clip(code, LONGEST_NAME) if found is None else found.group().replace("_", "-")
    return Failure(
        task=clip(task, LONGEST_NAME),
        code=code,
        message=message or "the service left no text about this failure",
        category=_category(code, message),
    )


def unread_failure(task: str, why: str) -> Failure:
    """A failure whose text could not be had."""
    return Failure(task=clip(task, LONGEST_NAME), code="", message=f"the failure text could not be read: {why}")


def _split(text: str) -> tuple[str, str]:
    """The text may be an `<Error>` document of its own, with a code and a message."""
    stripped = text.strip()
    if stripped.startswith("<") and "<Error>" in stripped:
        try:
            error = parse(stripped.encode(errors="replace"), "Error")
        except SourceError:
            return "", text  # it only looks like one: it is shown as it is
        return text_of(error, "Code"), text_of(error, "Message")
    return "", text


def _category(code: str, message: str) -> Category:
    beginnings = (code[:length] for length in range(_LONGEST_KEY, len("ODPS-"), -1))
    category = next((_CATEGORIES[it] for it in beginnings if it in _CATEGORIES), Category.UNKNOWN)
    if category in {Category.SYSTEM, Category.UNKNOWN}:
        return next((telling for pattern, telling in _TELLING if pattern.search(message)), category)
    return category
