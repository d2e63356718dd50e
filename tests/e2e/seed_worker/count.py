"""Counts the levels of one part of a log: which part is told by the id of the instance."""

import json
import os
import socket
from collections import Counter
from pathlib import Path

import oss_tool

LEVELS = ("INFO", "WARN", "ERROR", "DEBUG")


def meet(host: str, port: int, instance_id: str) -> None:
    """Waits until all the others are here too."""
    with socket.create_connection((host, port), timeout=30) as room:
        room.sendall(f"{instance_id}\n".encode())
        if room.recv(16) != b"go":
            raise SystemExit("the others did not come")


def main() -> None:
    # instance_id: should start from 0
    instance_id = os.environ["BATCH_COMPUTE_DAG_INSTANCE_ID"]
    filename = f"part_{instance_id}.txt"
    oss, conf = oss_tool.of_this_worker()
    pre = conf["pre"]
    if conf["room"]:
        meet(*conf["room"], instance_id)

    # 1. download a part
    oss.download_file(f"{pre}/split_results/{instance_id}.txt", filename)

    # 2. count
    words = Counter(Path(filename).read_text().split())
    m = {level: words[level] for level in LEVELS}

    # 3. upload result to oss
    upload_to = f"{pre}/count_results/{instance_id}.json"
    print(f"upload to {upload_to}")
    oss.put_data(json.dumps(m), upload_to)


main()
