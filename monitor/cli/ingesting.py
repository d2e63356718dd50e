"""`stagewatch ingest`: what a job's own tool prints, from standard input to the daemon."""

import asyncio
import os
import sys
from contextlib import suppress
from threading import Thread
from typing import NoReturn

from monitor.cli.asking import ask, print_json
from monitor.cli.exits import FAILED, USAGE, stop_with
from monitor.cli.streams import standard_input
from monitor.cli.waiting import as_object, say_whether_connected, told
from monitor.client import ClientError, Ingested, Instance, Outcome, Stagewatch
from monitor.client.inbox import Inbox
from monitor.client.sending import Sender
from monitor.core.text import plain

CHUNK = 64 << 10


def ingest_lines(url: str, *, source: str, project: str, key: str, patience: float, as_json: bool) -> NoReturn:
    """Send all lines. Each end is printed as it comes; the process ends with 0 if all succeeded."""
    ended: set[str] = set()

    def heard(told_now: Ingested) -> None:
        for one in told_now.instances:
            if one.is_over and one.key not in ended:
                ended.add(one.key)
                outcome = Outcome.of(one)
                print_json(as_object(outcome)) if as_json else print(told(outcome), flush=True)

    async def send(daemon: Stagewatch) -> tuple[Sender, Inbox]:
        sender = Sender(
            daemon,
            source=source,
            project=project,
            key=key,
            patience=patience,
            status=say_whether_connected,
            heard=heard,
        )
        inbox = Inbox()
        read = _reading(inbox, source_of_lines)
        try:
            await sender.send(inbox)
            fault = await read
        except ClientError as error:
            # Whoever writes into the pipe must not fail because nobody watches it.
            print(f"stagewatch: {plain(str(error))}", file=sys.stderr, flush=True)
            await inbox.close()
            if not os.isatty(source_of_lines):
                await read
            raise SystemExit(USAGE) from None
        if fault is not None:
            _stop_without_input(fault)
        return sender, inbox

    try:
        source_of_lines = standard_input().fileno()
    except OSError as error:
        _stop_without_input(error)
    sender, inbox = ask(url, send)
    _finish(sender, inbox)


def _stop_without_input(fault: OSError) -> NoReturn:
    stop_with(f"cannot read standard input: {fault.strerror}", USAGE)


def _reading(inbox: Inbox, source: int) -> asyncio.Future[OSError | None]:
    """This file, read by a thread of its own that nobody has to wait for; done at its end, or with why it ended."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[OSError | None] = loop.create_future()

    def read() -> None:
        fault: OSError | None = None
        with suppress(RuntimeError):  # the loop is closed: the command has ended meanwhile
            try:
                while chunk := os.read(source, CHUNK):
                    asyncio.run_coroutine_threadsafe(inbox.put(chunk), loop).result()
            except OSError as error:
                fault = error
            asyncio.run_coroutine_threadsafe(inbox.close(), loop).result()
            loop.call_soon_threadsafe(_end, done, fault)

    Thread(target=read, name="standard input", daemon=True).start()
    return done


def _end(done: asyncio.Future[OSError | None], fault: OSError | None) -> None:
    if not done.done():
        done.set_result(fault)


def _finish(sender: Sender, inbox: Inbox) -> NoReturn:
    """What remains to be said, and the exit code."""
    if inbox.dropped:
        _say(f"{inbox.dropped} lines were too long to be sent")
    if sender.malformed:
        _say(f"{sender.malformed} words look like progress and are not")
    if sender.unclaimed:
        _say(f"{sender.unclaimed} lines tell of an instance that nobody has named: give its id with --key")
    if not sender.instances:
        stop_with("the text tells of no instance", USAGE)
    for one in sender.instances.values():
        if one.key in sender.stale:
            _say(_ended_before(one))
        if not one.is_over:
            _say(_unfinished(one))
    raise SystemExit(0 if all(map(_is_good, sender.instances.values())) else FAILED)


def _is_good(one: Instance) -> bool:
    """It succeeded, and nothing that was told later says otherwise."""
    return Outcome.of(one).succeeded and one.contradiction is None


def _ended_before(one: Instance) -> str:
    against = f", although it says {one.contradiction}" if one.contradiction else ""
    text = f"{one.key} had ended before this text came ({one.phase}): it changes nothing and alerts nobody{against}"
    return plain(f"{text}; give each run an id of its own")


def _unfinished(one: Instance) -> str:
    return plain(f"the text has ended, and does not tell how {one.key} did: it counts as {one.phase} until it is lost")


def _say(text: str) -> None:
    print(f"stagewatch: {text}", file=sys.stderr)
