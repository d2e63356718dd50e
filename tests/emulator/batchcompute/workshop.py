"""What tests of OSS and of the executor need: orders, packages, and a signer of its own."""

import base64
import hashlib
import hmac
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monitor.emulator.batchcompute.orders import Order

SECRET = "demo-secret"
# The program of the documentation's example: each instance counts the words of its own part.
COUNT_PY = """
import json, os, sys
number = os.environ['BATCH_COMPUTE_DAG_INSTANCE_ID']
with open(f'parts/{number}.txt') as part:
    words = part.read().split()
counts = {word: words.count(word) for word in words}
os.makedirs('results', exist_ok=True)
with open(f'results/{number}.json', 'w') as result:
    json.dump(counts, result, sort_keys=True)
print('counted', len(words), 'words of part', number)
print('worker', os.environ['BATCH_COMPUTE_WORKER_ID'], file=sys.stderr)
"""


def order(command_line: str = "true", **changes: Any) -> Order:
    """An order for instance 0 of task `count`, which keeps its logs in the bucket `demo`."""
    plain: dict[str, Any] = {
        "job_id": "job-1",
        "task": "count",
        "instance": 0,
        "attempt": 0,
        "package_path": "",
        "env": {},
        "input_mapping": {},
        "output_mapping": {},
        "log_mapping": {},
        "stdout_dir": "oss://demo/logs/",
        "stderr_dir": "oss://demo/logs/",
        "timeout": 60.0,
        "cluster_id": "cls-1",
    }
    return Order(command_line=command_line, **plain | changes)


def packed(files: Mapping[str, str], *special: tarfile.TarInfo) -> bytes:
    """A tar.gz of these files, and of members that need no content."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
        for member in special:
            tar.addfile(member)
    return made.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    """A link, device or the like."""
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def signature(method: str, resource: str, date: str, *, own: str = "", kind: str = "", md5: str = "") -> str:
    """The signature of OSS, version 1, for `/bucket/key`; `own` is the lines of the x-oss- headers."""
    text = f"{method}\n{md5}\n{kind}\n{date}\n{own}{resource}"
    return base64.b64encode(hmac.new(SECRET.encode(), text.encode(), hashlib.sha1).digest()).decode()


def alive(mark: str) -> list[str]:
    """The command lines of processes with that mark, read without the code under test."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and mark.encode() in (entry / "environ").read_bytes():
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue  # gone meanwhile
    return found
