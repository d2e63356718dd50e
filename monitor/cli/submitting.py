"""`stagewatch run-job` and `restart`: they print the key of what runs now, for `stagewatch watch $(...)`."""

from pathlib import Path

from monitor.cli.asking import ask, print_json
from monitor.cli.jobs import look, tell_troubles
from monitor.client import Instance, Stagewatch
from monitor.core.text import plain


def run_job(file: Path, *, url: str, source: str | None, token: str | None, as_json: bool) -> None:
    """Check the file as `check-job` does, and submit it through the daemon."""
    checked, job, code = look(file)
    tell_troubles(checked)
    if job is None:
        raise SystemExit(code)
    description = job.document()

    async def submit(daemon: Stagewatch) -> None:
        _print(await daemon.submit(description, source, token), as_json=as_json)

    ask(url, submit)


def restart_instance(url: str, key: str, *, as_json: bool) -> None:
    """Have the service run again what did not finish."""

    async def restart(daemon: Stagewatch) -> None:
        _print(await daemon.restart(key), as_json=as_json)

    ask(url, restart)


def _print(instance: Instance, *, as_json: bool) -> None:
    print_json(instance) if as_json else print(plain(instance.key), flush=True)
