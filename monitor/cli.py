"""The command line: arguments, environment, signals, exit codes. Nothing else knows of them."""

import json
import os
import random
import secrets
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NoReturn

import anyio
import typer

from monitor import __version__
from monitor.app import CannotListenError, Outside, serve
from monitor.client import ClientError, Stagewatch
from monitor.config import Config, ConfigError, load, read_address
from monitor.core.progress import encode_line, parse_line
from monitor.demo import demo as run_demo
from monitor.emulator.server import EmulatorOptions
from monitor.emulator.server import serve as serve_emulator
from monitor.logs import Mask, set_up
from monitor.storage.base import StorageError

FAILED = 1
USAGE = 2  # also: the daemon cannot be reached, the key is unknown
CRASHED = 70  # EX_SOFTWARE: the line stopped because it could not keep its promises

app = typer.Typer(
    name="stagewatch",
    help=__doc__.splitlines()[0] if __doc__ else None,
    add_completion=True,
    pretty_exceptions_enable=False,
)

Listen = Annotated[str | None, typer.Option(metavar="HOST:PORT", help="where to listen")]
Url = Annotated[
    str,
    typer.Option(envvar="STAGEWATCH_URL", help="address of the daemon"),
]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]


def main() -> None:
    """The console script."""
    app()


@app.callback(invoke_without_command=True)
def _common(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="print the version", is_eager=True)] = False,
) -> None:
    """Watches MaxCompute instances and Batch Compute jobs, and tells when one fails."""
    if version:
        print(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(USAGE)


# --- the daemon -----------------------------------------------------------------------------------------------------


@app.command("serve")
def serve_command(
    config: Annotated[Path, typer.Option(help="the config file")],
    listen: Listen = None,
) -> None:
    """Run the daemon."""

    def read() -> Config:
        found = load(config, os.environ)
        return found.model_copy(update={"listen": _address(listen)}) if listen else found

    try:
        first = read()
    except ConfigError as error:
        _stop_with(str(error), FAILED)
    set_up(level=first.log.level, form=first.log.format, mask=Mask(first.secrets()))
    _run(partial(_serving, first, read))


@app.command("demo")
def demo_command(
    listen: Listen = "127.0.0.1:9690",
    seed: Annotated[int, typer.Option(help="the same workload for the same seed")] = 1,
    speed: Annotated[float, typer.Option(min=0.01, max=1000, help="emulated seconds in a second")] = 1.0,
) -> None:
    """Run emulated services, a lively workload and the daemon."""
    address = _address(listen or "127.0.0.1:9690")
    set_up(level="warning", form="console", mask=Mask())

    async def run(stop: anyio.Event) -> None:
        def opened(url: str) -> None:
            print(f"the dashboard          {url}/\n\nCtrl-C ends everything.\n", flush=True)

        def outside(config: Config) -> Outside:
            return _outside(stop, lambda: config, opened)

        await run_demo(listen=address, seed=seed, speed=speed, show=_say, outside=outside)

    _run(run)


@app.command("emulate")
def emulate_command(
    listen: Listen = "127.0.0.1:9680",
    seed: Annotated[int, typer.Option(help="the same chance for the same seed")] = 1,
    speed: Annotated[float, typer.Option(min=0.01, max=1000, help="emulated seconds in a second")] = 1.0,
    lively: Annotated[bool, typer.Option(help="also run a workload of its own")] = False,
    allow_remote: Annotated[bool, typer.Option(help="listen on addresses that others can reach")] = False,
) -> None:
    """Run the emulated services alone."""
    host, port = read_address(_address(listen or "127.0.0.1:9680"))
    options = EmulatorOptions(host=host, port=port, seed=seed, speed=speed, lively=lively, allow_remote=allow_remote)
    set_up(level="warning", form="console", mask=Mask())

    async def run(stop: anyio.Event) -> None:
        async with AsyncExitStack() as stack:
            try:
                emulator = await stack.enter_async_context(serve_emulator(options))
            except (ValueError, OSError) as error:
                raise CannotListenError(str(error)) from error
            _say(f"MaxCompute at {emulator.url}/api (project demo, any access id, secret demo-secret)")
            await stop.wait()

    _run(run)


@app.command("check")
def check_command(file: Annotated[Path, typer.Argument(help="the config file")]) -> None:
    """Validate a config file: exit 0, or 1 with every fault."""
    try:
        config = load(file, os.environ)
    except ConfigError as error:
        _stop_with(str(error), FAILED)
    projects = sum(len(source.projects) for source in config.sources)
    channels, rules = len(config.alerts.channels), len(config.alerts.rules)
    print(f"{file}: good: {len(config.sources)} sources, {projects} projects, {channels} channels, {rules} rules")
    if rules and not channels:
        print(f"{file}: note: no channel is defined, so no alert will reach anybody", file=sys.stderr)


async def _serving(config: Config, read: Callable[[], Config], stop: anyio.Event) -> None:
    await serve(config, _outside(stop, read, lambda _: None))


def _outside(stop: anyio.Event, reload: Callable[[], Config], started: Callable[[str], None]) -> Outside:
    return Outside(
        now=lambda: datetime.now(UTC),  # noqa: TID251 - here is where time comes in
        chance=random.random,
        epoch=secrets.token_hex(4),
        stop=stop,
        reload=reload,
        started=started,
    )


def _run(work: Callable[[anyio.Event], Awaitable[None]]) -> None:
    """Run until done, or until a signal sets the stop; a second signal ends the process at once."""

    async def with_signals() -> None:
        stop = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_listen_to_signals, stop)
            await work(stop)
            tasks.cancel_scope.cancel()

    backend = {"use_uvloop": sys.platform != "win32"}
    try:
        anyio.run(with_signals, backend="asyncio", backend_options=backend)
    except BaseExceptionGroup as group:
        _stop_with_all(group)
    except (CannotListenError, ConfigError, StorageError, OSError, ValueError) as error:
        _stop_with(str(error), FAILED)


async def _listen_to_signals(stop: anyio.Event) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as received:
        async for number in received:
            if stop.is_set():
                os._exit(128 + number)
            stop.set()


def _stop_with_all(group: BaseExceptionGroup[BaseException]) -> NoReturn:
    """One line for what an operator can act on; a traceback only for what is a bug of ours."""
    known, bugs = group.split((CannotListenError, ConfigError, StorageError, OSError, TimeoutError))
    if bugs is not None:
        raise bugs
    assert known is not None  # noqa: S101 - a group is never empty
    errors = list(_leaves(known))
    never_began = all(isinstance(error, CannotListenError | ConfigError) for error in errors)
    said = "; ".join(dict.fromkeys(str(error) or type(error).__name__ for error in errors))
    _stop_with(said, FAILED if never_began else CRASHED)


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


# --- without a daemon -----------------------------------------------------------------------------------------------


@app.command("parse")
def parse_command(
    files: Annotated[list[Path] | None, typer.Argument(metavar="[FILE]...", help="default: standard input")] = None,
) -> None:
    """Progress lines in, JSON lines out; what holds no progress is skipped and counted."""
    skipped = malformed = 0
    out = sys.stdout.buffer
    for number, line in _lines(files or []):
        parsed = parse_line(line)
        if parsed is not None:
            malformed += parsed.skipped
        if parsed is None or not parsed.stages:
            skipped += 1
            continue
        out.write(encode_line(number, parsed) + b"\n")
    out.flush()
    if skipped or malformed:
        print(f"skipped: {skipped} lines without progress, {malformed} malformed tokens", file=sys.stderr)


def _lines(files: list[Path]) -> Iterator[tuple[int, str]]:
    """Numbered from 1 in each file."""
    if not files:
        yield from enumerate((raw.decode("utf-8", "replace") for raw in sys.stdin.buffer), start=1)
    for file in files:
        try:
            with file.open(encoding="utf-8", errors="replace", newline="\n") as text:
                yield from enumerate(text, start=1)
        except OSError as error:
            _stop_with(f"cannot read {file}: {error.strerror}", USAGE)


# --- talking to a daemon --------------------------------------------------------------------------------------------

DEFAULT_URL = "http://127.0.0.1:9690"


@app.command("ls")
def ls_command(
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
    source: Annotated[str, typer.Option(help="only this source")] = "",
    project: Annotated[str, typer.Option(help="only this project")] = "",
    phase: Annotated[str, typer.Option(help="only these phases, with commas between")] = "",
    owner: Annotated[str, typer.Option(help="only this owner")] = "",
    q: Annotated[str, typer.Option("-q", help="a part of an id, a name or an owner")] = "",
) -> None:
    """List instances, newest first."""
    asked = {"source": source, "project": project, "phase": phase, "owner": owner, "q": q}
    filters = {name: value for name, value in asked.items() if value}

    async def run(daemon: Stagewatch) -> None:
        async for instance in daemon.instances(filters):
            print(json.dumps(instance, ensure_ascii=False) if as_json else _row(instance))

    _ask(url, run)


@app.command("show")
def show_command(
    key: Annotated[str, typer.Argument(help="source/project/id, or a bare id where it is unique")],
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Show one instance, whole."""

    async def run(daemon: Stagewatch) -> None:
        instance = await daemon.instance(key)
        if as_json:
            print(json.dumps(instance, ensure_ascii=False, indent=2))
        else:
            print("\n".join(_page(instance)))

    _ask(url, run)


def _ask(url: str, run: Callable[[Stagewatch], Awaitable[None]]) -> None:
    async def asking() -> None:
        async with Stagewatch(url) as daemon:
            await run(daemon)

    try:
        anyio.run(asking)
    except ClientError as error:
        _stop_with(str(error), USAGE)
    except BrokenPipeError:  # `stagewatch ls | head`
        sys.stderr.close()


def _row(instance: dict[str, Any]) -> str:  # Any: JSON of the public contract
    progress = instance["progress"]
    share = "   -" if progress is None else f"{progress:4.0%}"
    what = _plain(instance["name"] or "")
    failure = instance["failure"]
    why = _plain(f"{failure['code']} {failure['message']}"[:80]) if failure else ""
    return f"{instance['phase']:<10} {share}  {instance['key']}  {_plain(instance['owner'])}  {what}  {why}".rstrip()


def _page(instance: dict[str, Any]) -> Iterator[str]:  # Any: JSON of the public contract
    yield instance["key"]
    for field in ("name", "owner", "phase", "native_status", "progress", "created_at", "started_at", "ended_at"):
        if instance[field] not in (None, ""):
            yield f"  {field:<14} {_plain(str(instance[field]))}"
    for task in instance["tasks"]:
        yield f"  {_plain(task['name'])} ({task['type']}) {task['phase'] or ''}"
        for stage in task["stages"]:
            done = f"{stage['percent']}%" if stage["percent"] is not None else stage["status"] or ""
            backups = f" (+{stage['backups']} backups)" if stage["backups"] else ""
            counts = f"{stage['running']}/{stage['terminated']}/{stage['total']}"
            yield f"    {_plain(stage['name']):<28} {counts}{backups} {done}"
    if failure := instance["failure"]:
        yield f"  failed in {_plain(failure['task'])}: {_plain(failure['code'])} ({failure['category']})"
        yield f"    {_plain(failure['message'])}"


def _plain(text: str) -> str:
    """A name with control characters in it must not play with the terminal."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


# --- shared ---------------------------------------------------------------------------------------------------------


def _address(text: str) -> str:
    try:
        read_address(text)
    except ValueError as error:
        _stop_with(f"--listen: {error}", USAGE)
    return text


def _say(line: str) -> None:
    print(_plain(line), flush=True)


def _stop_with(message: str, code: int) -> NoReturn:
    print(f"stagewatch: {message}" if "\n" not in message else message, file=sys.stderr)
    raise SystemExit(code)
