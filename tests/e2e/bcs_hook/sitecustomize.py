"""Leads the unmodified `bcs` to an emulator: it always calls port 80 of hosts that nobody serves any more.

Python imports this file by its name when its directory is on PYTHONPATH. EMULATOR_PORT says where the services are.
"""

import os
import re
import socket
from typing import Any

SERVICES = re.compile(r"batchcompute[.-]|.+\.oss-[a-z0-9-]+\.aliyuncs\.com$|oss-[a-z0-9-]+\.aliyuncs\.com$")

_getaddrinfo = socket.getaddrinfo


def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
    """The emulator's address for a host of the services, else what the system says."""
    if isinstance(host, str) and SERVICES.match(host):
        host, port = "127.0.0.1", int(os.environ["EMULATOR_PORT"])
    return _getaddrinfo(host, port, *args, **kwargs)


socket.getaddrinfo = getaddrinfo
