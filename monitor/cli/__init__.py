"""The command line: what can be said, and with which options. What a command does stands in the file it imports.

A command imports what only it needs when it is called: `stagewatch parse` in a pipe must not wait for a web server.
"""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from monitor import __version__
from monitor.cli.exits import FAILED, USAGE, stop_with

DEFAULT_URL = "http://127.0.0.1:9690"

Listen = Annotated[str, typer.Option(metavar="HOST:PORT", help="where to listen")]
ConfigFile = Annotated[Path, typer.Option("--config", metavar="FILE", help="the config file")]
Seed = Annotated[int, typer.Option(help="the same seed gives the same workload")]
Speed = Annotated[float, typer.Option(min=0.01, max=1000, help="emulated seconds in a second")]
Url = Annotated[str, typer.Option(envvar="STAGEWATCH_URL", help="address of the daemon")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
Key = Annotated[str, typer.Argument(help="source/project/id, or a bare id where it is unique")]

app = typer.Typer(name="stagewatch", pretty_exceptions_enable=False)


def main() -> None:
    """The console script."""
    try:
        app()
        sys.stdout.flush()
    except BrokenPipeError:  # `stagewatch ls | head`: who reads has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        stop_with(f"cannot write the output: {error.strerror or error}", FAILED)


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


@app.command()
def serve(config: ConfigFile, listen: Annotated[str | None, typer.Option(metavar="HOST:PORT")] = None) -> None:
    """Run the daemon."""
    from monitor.cli.daemon import run_daemon

    run_daemon(config, listen)


@app.command()
def demo(listen: Listen = "127.0.0.1:9690", seed: Seed = 1, speed: Speed = 1.0) -> None:
    """Run emulated services, a lively workload and the daemon."""
    from monitor.cli.daemon import run_demo

    run_demo(listen, seed, speed)


@app.command()
def emulate(
    listen: Listen = "127.0.0.1:9680",
    seed: Seed = 1,
    speed: Speed = 1.0,
    lively: Annotated[bool, typer.Option(help="also run a workload of its own")] = False,
    allow_remote: Annotated[bool, typer.Option(help="listen on addresses that others can reach")] = False,
) -> None:
    """Run the emulated services alone."""
    from monitor.cli.emulators import run_emulators

    run_emulators(listen=listen, seed=seed, speed=speed, lively=lively, allow_remote=allow_remote)


@app.command()
def check(file: Annotated[Path, typer.Argument(help="the config file")]) -> None:
    """Validate a config file: exit 0, or 1 with every fault."""
    from monitor.cli.checking import check_config

    check_config(file)


@app.command()
def parse(
    files: Annotated[list[Path] | None, typer.Argument(metavar="[FILE]...", help="default: standard input")] = None,
) -> None:
    """Progress lines in, JSON lines out; what holds no progress is skipped and counted."""
    from monitor.cli.parsing import parse_progress

    parse_progress(files or [])


@app.command("ls")
def list_instances(
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
    source: Annotated[str, typer.Option(help="only this source")] = "",
    project: Annotated[str, typer.Option(help="only this project")] = "",
    phase: Annotated[str, typer.Option(help="only these phases, with commas between")] = "",
    owner: Annotated[str, typer.Option(help="only this owner")] = "",
    q: Annotated[str, typer.Option("-q", help="a part of an id, a name or an owner")] = "",
) -> None:
    """List instances, newest first."""
    from monitor.cli.asking import print_instances

    asked = {"source": source, "project": project, "phase": phase, "owner": owner, "q": q}
    print_instances(url, {name: value for name, value in asked.items() if value}, as_json=as_json)


@app.command()
def show(key: Key, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Show one instance, whole."""
    from monitor.cli.asking import print_instance

    print_instance(url, key, as_json=as_json)
