"""The released SDK of Batch Compute, unmodified, pointed at an emulator."""

import time
import warnings
from collections.abc import Callable
from functools import wraps
from types import GeneratorType
from typing import Any

from batchcompute import Client
from yarl import URL

SECRET = "demo-secret"


class Sdk:
    """A client of one emulator. It offers the methods of the SDK's `Client` under their own names.

    The SDK knows one port for the whole process, so every call says first which one it means.
    """

    def __init__(self, url: str, secret: str = SECRET, **more: Any) -> None:
        self._address = URL(url)
        self._point()
        self._client = Client("127.0.0.1", "tester", secret, **more)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)

        @wraps(method)
        def call(*args: Any, **kwargs: Any) -> Any:
            self._point()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # it reads dates in a way that Python 3.12 deplores
                answer = method(*args, **kwargs)
                return list(answer) if isinstance(answer, GeneratorType) else answer

        return call

    def until(self, job: str, *states: str, within: float = 30.0) -> Any:
        """Ask for the job until it is in one of the states."""
        deadline = time.monotonic() + within
        while (seen := self.get_job(job)).State not in states:
            assert time.monotonic() < deadline, f"{job} is still {seen.State}, not {states}: {seen.Message}"
            time.sleep(0.02)  # the SDK has no other way to wait for a job than to ask again
        return seen

    def _point(self) -> None:
        Client.register_region("local", "127.0.0.1", self._address.port)


def task(command: str, **more: Any) -> dict[str, Any]:
    """A task that runs a command, as the SDK takes it."""
    parameters = {
        "Command": {"CommandLine": command, "PackagePath": "", "EnvVars": {}},
        "StdoutRedirectPath": "oss://bucket/logs/",
        "StderrRedirectPath": "oss://bucket/logs/",
    }
    return {"AutoCluster": {"InstanceType": "ecs.sn1.medium", "ImageId": "img-ubuntu"}, "Parameters": parameters} | more


def job(name: str = "plain", dependencies: dict[str, list[str]] | None = None, **tasks: Any) -> dict[str, Any]:
    """A description of a job of these tasks; one task `work` that ends at once if none is given."""
    return {
        "Name": name,
        "Type": "DAG",
        "Priority": 0,
        "JobFailOnInstanceFail": True,
        "DAG": {"Tasks": tasks or {"work": task("true")}, "Dependencies": dependencies or {}},
    }
