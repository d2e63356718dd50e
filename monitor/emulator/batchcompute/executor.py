"""Carries out orders as processes of this machine, each in a directory of its own."""

import logging
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import IO
from uuid import uuid4

from monitor.emulator.batchcompute.luggage import Luggage
from monitor.emulator.batchcompute.objects import ObjectStore, Place
from monitor.emulator.batchcompute.orders import Ending, Order, OrderError, redirect_path
from monitor.emulator.batchcompute.output import Spool
from monitor.emulator.batchcompute.processes import Exit, Program, carry_out
from monitor.emulator.batchcompute.unbroken import held, in_thread
from monitor.emulator.errors import ServiceError

LOG_BYTES = 16 * 1024**2
PACKAGE_BYTES = 1024**3
NO_EXIT_CODE = -1  # of a program that was never started
_MARK = "BATCH_COMPUTE_WORKER_ID"
_SIGNALS = frozenset(signal.Signals)
_log = logging.getLogger(__name__)


class LocalExecutor:
    """An `Executor` that trusts its orders: a program may do whatever this process may.

    Runs have their directories below `folder`, for as long as they take. `oss_host` tells programs where OSS is; it is
    asked when a program starts. `grace` is how many seconds a program has to end when asked to. `log_bytes` is how much
    of stdout and of stderr is kept; `package_bytes` is how large a package may be, unpacked.
    """

    def __init__(
        self,
        store: ObjectStore,
        *,
        folder: Path,
        oss_host: Callable[[], str],
        region: str,
        grace: float = 0.5,
        log_bytes: int = LOG_BYTES,
        package_bytes: int = PACKAGE_BYTES,
    ) -> None:
        self._store = store
        self._folder = folder
        self._oss_host = oss_host
        self._region = region
        self._grace = grace
        self._log_bytes = log_bytes
        self._package_bytes = package_bytes

    async def run(self, order: Order) -> Ending:
        """See `Executor`."""
        worker = f"worker-{uuid4().hex}"
        folder = self._folder / worker
        async with AsyncExitStack() as stack:
            stack.push_async_callback(in_thread, _remove, folder)
            stdout = stderr = Spool(None, 0)
            try:
                stdout = Spool(await self._redirect("stdout", order.stdout_dir, order, stack), self._log_bytes)
                stderr = Spool(await self._redirect("stderr", order.stderr_dir, order, stack), self._log_bytes)
                return await self._run(order, worker, folder, stdout, stderr)
            except OrderError as trouble:
                await in_thread(stderr.take, f"{trouble.message}\n".encode(errors="replace"))
                return Ending(NO_EXIT_CODE, trouble.code, trouble.message, stderr.tail())
            except Exception as error:  # noqa: BLE001 - a fault of ours fails this run, and not the other jobs' too
                _log.exception("a run could not be carried out")
                return Ending(NO_EXIT_CODE, "InternalError", f"the emulator failed: {error}", stderr.tail())

    async def _run(self, order: Order, worker: str, folder: Path, stdout: Spool, stderr: Spool) -> Ending:
        work = folder / "work"
        luggage = Luggage(self._store, order, work, self._package_bytes)
        try:
            for directory in (work, folder / "tmp"):
                await in_thread(directory.mkdir, parents=True)
            await in_thread(luggage.bring)
            env = await in_thread(self._environment, order, worker, folder)
            program = Program(command_line=order.command_line, folder=work, env=env, mark=_MARK, timeout=order.timeout)
            end = await carry_out(program, stdout, stderr, grace=self._grace)
        except (OSError, ValueError) as error:  # also a NUL in a variable, or more of them than the system takes
            raise OrderError("ProgramNotStarted", f"the program could not be started: {error}") from error
        troubles = []
        for leave in (luggage.leave_logs, luggage.leave_output):
            try:
                await in_thread(leave)
            except OrderError as trouble:
                troubles.append(trouble)
            except (OSError, ValueError) as error:  # names that the file system does not take
                troubles.append(OrderError("OutputFailed", f"its output cannot be stored: {error}"))
        faults = filter(None, (stdout.fault, stderr.fault))
        troubles += [OrderError("LogFailed", f"its output was not kept: {fault}") for fault in faults]
        return _ending(order, end, troubles, stderr.tail())

    async def _redirect(self, stream: str, directory: str, order: Order, stack: AsyncExitStack) -> IO[bytes] | None:
        """The object for one stream, empty at first and growing as the program writes."""
        address = redirect_path(directory, stream, order.job_id, order.task, order.instance)
        if not address:
            return None
        try:
            return await stack.enter_async_context(held(self._store.live(Place.read(address))))
        except (ServiceError, OSError) as error:
            raise OrderError("RedirectFailed", f"no place for {stream} at {address}: {error}") from error

    def _environment(self, order: Order, worker: str, folder: Path) -> dict[str, str]:
        """All that the program sees: nothing of this process but where its Python is."""
        return {
            "PATH": f"{_python_folder(self._folder)}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(folder / "work"),
            "TMPDIR": str(folder / "tmp"),
            "LANG": "C.UTF-8",
            **order.env,
            "BATCH_COMPUTE_DAG_JOB_ID": order.job_id,
            "BATCH_COMPUTE_DAG_TASK_ID": order.task,
            "BATCH_COMPUTE_DAG_INSTANCE_ID": str(order.instance),
            "BATCH_COMPUTE_OSS_HOST": self._oss_host(),
            "BATCH_COMPUTE_REGION": self._region,
            "BATCH_COMPUTE_CLUSTER_ID": order.cluster_id,
            _MARK: worker,
        }


def _ending(order: Order, end: Exit, troubles: Sequence[OrderError], detail: str) -> Ending:
    if end.late:
        return Ending(end.code, "Timeout", f"the program was stopped after {order.timeout:g} seconds", detail)
    if end.code:
        name = f" ({signal.Signals(end.code - 128).name})" if end.code - 128 in _SIGNALS else ""
        return Ending(end.code, "ProgramFailed", f"the program ended with exit code {end.code}{name}", detail)
    if troubles:
        return Ending(end.code, troubles[0].code, troubles[0].message, detail)
    return Ending(0, "", "", detail)


def _python_folder(folder: Path) -> Path:
    """Where `python` is this process's own Python; a wrapper in a folder made for it if need be."""
    own = Path(sys.executable)
    if (own.parent / "python").exists():
        return own.parent
    wrapper = folder / "bin" / "python"
    if not wrapper.exists():
        wrapper.parent.mkdir(parents=True, exist_ok=True)
        draft = wrapper.with_name(f"python-{uuid4().hex}")
        draft.write_text(f'#!/bin/sh\nexec {shlex.quote(str(own))} "$@"\n')
        draft.chmod(0o755)
        draft.replace(wrapper)  # at once: others may be about to use it
    return wrapper.parent


def _remove(folder: Path) -> None:
    """Removes a directory, also parts of it that were closed to their owner."""
    for parent, names, _ in os.walk(folder):
        for name in names:
            if not Path(parent, name).is_symlink():
                with suppress(OSError):
                    Path(parent, name).chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)
