"""OSS for a program on a worker: the host from its environment, the keys from its package, nothing but Python."""

import base64
import hmac
import json
import os
import urllib.error
import urllib.request
from email.utils import formatdate
from pathlib import Path
from typing import Any


class OssTool:
    """Reads and writes objects such as `oss://bucket/key`. Raises RuntimeError with the service's answer."""

    def __init__(self, host: str, access_id: str, access_key: str) -> None:
        self._host = host if "://" in host else f"http://{host}"
        self._id = access_id
        self._key = access_key.encode()

    def get_data(self, path: str) -> bytes:
        return self._ask("GET", path)

    def put_data(self, data: str | bytes, path: str) -> None:
        self._ask("PUT", path, data.encode() if isinstance(data, str) else data)

    def download_file(self, path: str, file_name: str) -> None:
        Path(file_name).write_bytes(self.get_data(path))

    def delete(self, path: str) -> None:
        self._ask("DELETE", path)

    def _ask(self, method: str, path: str, data: bytes | None = None) -> bytes:
        resource = "/" + path.removeprefix("oss://")
        date, kind = formatdate(usegmt=True), "application/octet-stream"
        text = f"{method}\n\n{kind}\n{date}\n{resource}"
        signature = base64.b64encode(hmac.new(self._key, text.encode(), "sha1").digest()).decode()
        headers = {"Date": date, "Content-Type": kind, "Authorization": f"OSS {self._id}:{signature}"}
        request = urllib.request.Request(self._host + resource, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            with error:
                answer = error.read().decode()
            raise RuntimeError(f"{method} {path}: {error.code} {answer}") from None


def of_this_worker() -> tuple[OssTool, dict[str, Any]]:
    """The tool for the program that runs here, and what else its package says."""
    conf = json.loads(Path("conf.json").read_text())
    return OssTool(os.environ["BATCH_COMPUTE_OSS_HOST"], conf["access_id"], conf["access_key"]), conf
