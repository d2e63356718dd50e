"""The command line: what can be said, and with which options. What a command does stands in the file it imports.

A command imports what only it needs when it is called: `stagewatch parse` in a pipe must not wait for a web server.
"""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from monitor import __version__
from monitor.cli.completing import DEFAULT_URL, complete_key, complete_live_key, complete_phases
from monitor.cli.exits import FAILED, USAGE, stop_with
from monitor.cli.forms import Form, Order
from monitor.cli.streams import hold_standard_streams

Listen = Annotated[str, typer.Option(metavar="HOST:PORT", help="where to listen")]
ConfigFile = Annotated[Path, typer.Option("--config", metavar="FILE", help="the config file")]
Seed = Annotated[int, typer.Option(help="the same seed gives the same workload")]
Speed = Annotated[float, typer.Option(min=0.01, max=1000, help="emulated seconds in a second")]
Url = Annotated[str, typer.Option(envvar="STAGEWATCH_URL", help="address of the daemon")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
KEY_HELP = "source/project/id, or a bare id where it is unique"
Key = Annotated[str, typer.Argument(help=KEY_HELP, autocompletion=complete_key)]
LiveKey = Annotated[str, typer.Argument(help=KEY_HELP, autocompletion=complete_live_key)]
Keys = Annotated[list[str], typer.Argument(metavar="KEY...", help=KEY_HELP, autocompletion=complete_key)]
Timeout = Annotated[float | None, typer.Option(min=0, metavar="SECONDS", help="then exit 124")]
Patience = Annotated[float, typer.Option(min=0, metavar="SECONDS", help="how long the daemon may be away meanwhile")]

app = typer.Typer(name="stagewatch", pretty_exceptions_enable=False)


def main() -> None:
    """The console script."""
    hold_standard_streams()
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
    allow_remote: Annotated[
        bool, typer.Option(help="listen on addresses that others can reach: whoever reaches it can run programs here")
    ] = False,
    oss: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="where oss:// objects are; default: a temporary folder")
    ] = None,
) -> None:
    """Run the emulated services alone."""
    from monitor.cli.emulators import run_emulators

    run_emulators(listen=listen, seed=seed, speed=speed, lively=lively, allow_remote=allow_remote, oss=oss)


@app.command()
def check(file: Annotated[Path, typer.Argument(help="the config file")]) -> None:
    """Validate a config file: exit 0, or 1 with every fault."""
    from monitor.cli.checking import check_config

    check_config(file)


@app.command()
def doctor(
    config: ConfigFile,
    source: Annotated[str | None, typer.Option(help="only this source; default: all of them")] = None,
    as_json: AsJson = False,
) -> None:
    """Look whether every source can be watched: address, certificate, clock, key, and each right by its name.

    Asks the services, and changes nothing. Exit 0 if all is good; 1 if something is missing, with what to do; 2 if the
    config cannot be used or has no such source.
    """
    from monitor.cli.examining import examine_sources

    examine_sources(config, source, as_json=as_json)


@app.command("check-job")
def check_job(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="job descriptions; - is standard input")],
    as_json: AsJson = False,
) -> None:
    """Validate Batch Compute job descriptions: exit 0 with what they will run, or 1 with every fault.

    Exit 2 if a FILE cannot be read. Nothing is sent anywhere.
    """
    from monitor.cli.jobs import check_jobs

    check_jobs(files, as_json=as_json)


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
    phase: Annotated[
        str, typer.Option(help="only these phases, with commas between", autocompletion=complete_phases)
    ] = "",
    owner: Annotated[str, typer.Option(help="only this owner")] = "",
    q: Annotated[str, typer.Option("-q", help="a part of an id, a name or an owner")] = "",
    sort: Annotated[Order | None, typer.Option(help="default: as they were discovered, newest first")] = None,
    follow: Annotated[bool, typer.Option("--watch", help="go on showing what changes, until Ctrl-C")] = False,
) -> None:
    """List instances, newest first."""
    from monitor.cli.listing import print_instances, watch_instances

    asked = {"source": source, "project": project, "phase": phase, "owner": owner, "q": q}
    filters = {name: value for name, value in asked.items() if value}
    (watch_instances if follow else print_instances)(url, filters, order=sort, as_json=as_json)


@app.command()
def show(key: Key, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Show one instance, whole."""
    from monitor.cli.asking import print_instance

    print_instance(url, key, as_json=as_json)


@app.command()
def watch(
    keys: Keys, url: Url = DEFAULT_URL, timeout: Timeout = None, patience: Patience = 600, as_json: AsJson = False
) -> None:
    """Show stages as they work, until all have ended; exit as `wait` does.

    On a terminal that is a bar for each stage, elsewhere a progress line for each change.
    """
    from monitor.cli.watching import watch as watch_all

    watch_all(url, keys, seconds=timeout, patience=patience, as_json=as_json)


@app.command()
def wait(
    keys: Keys, url: Url = DEFAULT_URL, timeout: Timeout = None, patience: Patience = 600, as_json: AsJson = False
) -> None:
    """Wait until all have ended, also over restarts of the daemon.

    Exit 0 if all succeeded; 1 if any failed, was cancelled, or is lost, which is one that the service forgot without
    saying how it ended; 2 if the daemon cannot be asked or does not know a KEY; 124 on --timeout.
    """
    from monitor.cli.waiting import wait_for

    wait_for(url, keys, seconds=timeout, patience=patience, as_json=as_json)


@app.command()
def stop(key: LiveKey, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Ask the service to end an instance."""
    from monitor.cli.asking import stop_instance

    stop_instance(url, key, as_json=as_json)


@app.command()
def results(
    key: Key,
    url: Url = DEFAULT_URL,
    task: Annotated[str | None, typer.Option(help="only of this task")] = None,
    form: Annotated[Form | None, typer.Option("--format", help="default: table on a terminal, else csv")] = None,
    as_json: AsJson = False,
) -> None:
    """Print the results of its tasks."""
    from monitor.cli.results import print_results

    print_results(url, key, task, Form.JSON if as_json else form)


@app.command()
def logview(
    key: Key,
    url: Url = DEFAULT_URL,
    hours: Annotated[
        int | None, typer.Option(min=1, max=168, help="how long the address is good for; default: as the config says")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print a fresh address of the service's own page about an instance. It may hold a token."""
    from monitor.cli.asking import print_logview

    print_logview(url, key, hours, as_json=as_json)


@app.command("run-job")
def run_job(
    file: Annotated[Path, typer.Argument(help="a job description; - is standard input")],
    source: Annotated[str | None, typer.Option(help="where to, if more than one source takes jobs")] = None,
    token: Annotated[str | None, typer.Option(help="said again, it makes no second job")] = None,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Submit a Batch Compute job through the daemon and print its key, as for `stagewatch watch $(...)`.

    Exit 1 with every fault of the description, as `check-job` does; 2 if the daemon or the service does not take it.
    """
    from monitor.cli.submitting import run_job as run

    run(file, url=url, source=source, token=token, as_json=as_json)


@app.command()
def restart(key: Key, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Run again what did not finish of a job that failed or was stopped; print its key once the new attempt shows."""
    from monitor.cli.submitting import restart_instance

    restart_instance(url, key, as_json=as_json)


@app.command()
def top(url: Url = DEFAULT_URL) -> None:
    """Show every instance in a full screen that is always current. Needs the extra `tui`."""
    from monitor.cli.full_screen import run_top

    run_top(url)


@app.command()
def ingest(
    source: Annotated[str, typer.Option(help="a source of type ingest, if there is more than one")] = "",
    key: Annotated[
        str, typer.Option(help="source/project/id, project/id or an id; needed if the text names none")
    ] = "",
    project: Annotated[str, typer.Option(help="the project, if the source has more than one")] = "",
    url: Url = DEFAULT_URL,
    patience: Patience = 600,
    as_json: AsJson = False,
) -> None:
    """Pass on what odpscmd or pyodps print (standard input) to a daemon that cannot ask the service itself.

    An id of your own, such as nightly-2016-05-19, names one run: the next one needs another. Prints how each instance
    ends: exit 0 if all succeeded; 1 if any failed, was cancelled, or has no end in the text; 2 if the daemon does not
    take the lines, or they tell of no instance.
    """
    from monitor.cli.ingesting import ingest_lines

    ingest_lines(url, source=source, project=project, key=key, patience=patience, as_json=as_json)
