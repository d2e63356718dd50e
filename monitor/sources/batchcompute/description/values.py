"""The single values in a job description, with the limits that the service names for them."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

_BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_ALPHABET = re.compile(r"[A-Za-z0-9_-]+")
_DIRECTORY_FORM = "write it like oss://bucket/directory/"
_FILE_FORM = "write it like oss://bucket/worker.tar.gz"


def is_directory(path: str) -> bool:
    """Whether a path, on OSS or in a VM, names a directory. A bare drive letter does."""
    return path.endswith(("/", "\\")) or bool(re.fullmatch(r"[A-Za-z]:", path))


def _job_name(text: str) -> str:
    _require_alphabet(text, 64)
    if text[0].isdigit():
        raise ValueError(f"must not begin with a digit, as {text!r} does")
    return text


def _task_name(text: str) -> str:
    return _require_alphabet(text, 32)


def _variable(text: str) -> str:
    return _require_alphabet(text, 100)


def _require_alphabet(text: str, longest: int) -> str:
    if not _ALPHABET.fullmatch(text):
        raise ValueError(f"a name holds only letters, digits, '-' and '_', not {text[:40]!r}")
    if len(text) > longest:
        raise ValueError(f"a name has at most {longest} letters, not {len(text)}")
    return text


def _directory(text: str) -> str:
    if text:
        _require_oss(text, _DIRECTORY_FORM)
        if not text.endswith("/"):
            raise ValueError(f"names a directory, so it must end in '/': write {text}/")
    return text


def _file(text: str) -> str:
    if text:
        _require_oss(text, _FILE_FORM)
        if text.endswith("/"):
            raise ValueError(f"names a file, so it must not end in '/': {_FILE_FORM}")
    return text


def _object(text: str) -> str:
    return _require_oss(text, _DIRECTORY_FORM)


def _mountable(text: str) -> str:
    """Besides OSS, a network file system can be mounted."""
    return text if text.startswith("nas://") else _object(text)


def _require_oss(text: str, form: str) -> str:
    if not text.startswith("oss://"):
        raise ValueError(f"must begin with oss://, unlike {text[:40]!r}: {form}")
    bucket, slash, key = text.removeprefix("oss://").partition("/")
    if not _BUCKET.fullmatch(bucket):
        raise ValueError(f"{bucket[:64]!r} is no name of a bucket (3 to 63 of a-z, 0-9 and '-'): {form}")
    if not slash or key.startswith("/"):
        raise ValueError(f"has no path behind the bucket: {form}")
    return text


def _local(text: str) -> str:
    if not re.match(r"/|[A-Za-z]:", text):
        raise ValueError(f"must be a whole path in the VM, like /home/input/ or D:\\, not {text[:40]!r}")
    return text


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text


JobName = Annotated[str, AfterValidator(_job_name)]
AppJobName = Annotated[str, Field(min_length=1, max_length=100)]
TaskName = Annotated[str, AfterValidator(_task_name)]
Filled = Annotated[str, AfterValidator(_not_blank)]

OssDirectory = Annotated[str, AfterValidator(_directory)]
OssFile = Annotated[str, AfterValidator(_file)]
OssPath = Annotated[str, AfterValidator(_object)]
Mountable = Annotated[str, AfterValidator(_mountable)]
LocalPath = Annotated[str, AfterValidator(_local)]

Description = Annotated[str, Field(max_length=1000)]
JobPriority = Annotated[int, Field(ge=0, le=1000)]
AtLeastOne = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]
Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]
EnvVars = Annotated[
    dict[Annotated[str, AfterValidator(_variable)], Annotated[str, Field(max_length=1000)]], Field(max_length=50)
]
Texts = Annotated[tuple[str, ...], Field(strict=False)]  # JSON has lists where we have tuples
Json = Any  # what the service's documents leave open

Resource = Literal["OnDemand", "Spot", "PrePaid", ""]
Spot = Literal["SpotWithPriceLimit", "SpotAsPriceGo", ""]
JobEvent = Literal[
    "OnJobWaiting",
    "OnJobRunning",
    "OnJobStopped",
    "OnJobFinished",
    "OnJobFailed",
    "OnTaskWaiting",
    "OnTaskRunning",
    "OnTaskStopped",
    "OnTaskFinished",
    "OnTaskFailed",
    "OnInstanceWaiting",
    "OnInstanceRunning",
    "OnInstanceStopped",
    "OnInstanceFinished",
    "OnInstanceFailed",
    "OnPriorityChange",
]
