"""Jobs that never end coming, so that a screen looks alive: most follow plans, and now and then one runs programs."""

import asyncio
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from monitor.emulator.batchcompute.description import check_description
from monitor.emulator.batchcompute.plan import Flaws, Part
from monitor.emulator.batchcompute.planned import LOGS, Recipe
from monitor.emulator.batchcompute.service import BatchCompute
from monitor.emulator.batchcompute.views import State
from monitor.emulator.batchcompute.wire import owner_of

LIVE = 14  # jobs to keep alive
AT_ONCE = 9  # of them at the very start
A_TURN = 2  # new ones per look
LOOK_EVERY = 0.8  # real seconds
REAL_EVERY = 25  # looks between two jobs that run programs

_OWNERS = ("studio", "genomics", "ads", "search")
_SHAPES: Mapping[str, Sequence[Part]] = {
    "render": (
        Part("split", (), 1, 0.5),
        Part("frames", ("split",), 24, 4.0),
        Part("audio", ("split",), 2, 2.0),
        Part("stitch", ("frames", "audio"), 1, 1.0),
    ),
    "log-count": (Part("split", (), 2, 1.0), Part("count", ("split",), 12, 3.0), Part("merge", ("count",), 1, 0.6)),
    "genome": (
        Part("index", (), 1, 0.7),
        Part("align", ("index",), 16, 3.0),
        Part("sort", ("align",), 8, 1.2),
        Part("call-variants", ("sort",), 8, 2.0),
        Part("report", ("call-variants",), 1, 0.4),
    ),
    "train": (
        Part("prepare", (), 4, 1.0),
        Part("fold-1", ("prepare",), 3, 2.4),
        Part("fold-2", ("prepare",), 3, 2.8),
        Part("fold-3", ("prepare",), 3, 2.6),
        Part("evaluate", ("fold-1", "fold-2", "fold-3"), 1, 0.8),
    ),
    "simulate": (Part("simulate", (), 40, 1.0),),
}
_MESSAGES: Mapping[str, Sequence[str]] = {
    "render": (
        "exit code 2: cannot open texture /assets/wood.exr: No such file or directory",
        "exit code 137: killed, the machine ran out of memory at frame 1188",
    ),
    "log-count": (
        "exit code 1: Traceback: KeyError: 'timestamp' in count.py line 41",
        "exit code 7: bad input in part_3.txt, line 2204",
    ),
    "genome": ("exit code 1: [E::bgzf_read] read error, the reference is truncated",),
    "train": ("exit code 1: Traceback: RuntimeError: loss is nan after step 4100 in train.py line 212",),
    "simulate": ("exit code 134: assertion failed: energy < limit, seed 91",),
}
_COUNT = 'echo "part $BATCH_COMPUTE_DAG_INSTANCE_ID of $BATCH_COMPUTE_DAG_JOB_ID"; sleep '


async def keep_busy(service: BatchCompute, chance: Random) -> None:
    """Submits for ever, so that about LIVE jobs are alive at any time."""
    for _ in range(AT_ONCE):
        service.plan(*_planned(chance))
    looks = 0
    while True:
        if looks % REAL_EVERY == 0:
            service.submit(owner_of(chance.choice(_OWNERS)), check_description(_real(chance)))
        looks += 1
        await asyncio.sleep(LOOK_EVERY / max(1.0, service.clock.speed))
        for _ in range(min(LIVE - len(service.book.live()), A_TURN)):
            service.plan(*_planned(chance))


def _planned(chance: Random) -> tuple[int, Recipe, int]:
    """Whose, what, and how urgent."""
    shape = chance.choice(list(_SHAPES))
    parts = _SHAPES[shape]
    flawed = max(parts, key=lambda part: part.instances)
    fate, flaws, fail_on_instance = chance.random(), None, True
    outcome = State.FINISHED
    if fate < 0.08:
        outcome, flaws = State.FAILED, Flaws(flawed.name, 1, chance.choice((0, 0, 2)))
    elif fate < 0.13:
        flaws, fail_on_instance = Flaws(flawed.name, chance.randint(1, 2)), False
    elif fate < 0.20:
        flaws = Flaws(flawed.name, 0, chance.randint(1, 3))
    elif fate < 0.23:
        outcome = State.STOPPED
    recipe = Recipe(
        name=f"{shape}-{chance.choice(('nightly', 'hourly', 'backfill', 'preview'))}-{chance.randint(1, 99)}",
        parts=parts,
        wait=chance.choice((chance.uniform(0.5, 6), chance.uniform(5, 30))),
        seconds=chance.uniform(20, 120),
        outcome=outcome,
        flaws=flaws,
        fail_on_instance=fail_on_instance,
        auto_release=chance.random() < 0.05,
        message=chance.choice(_MESSAGES[shape]),
    )
    return owner_of(chance.choice(_OWNERS)), recipe, chance.choice((0, 0, 1, 10, 100))


def _real(chance: Random) -> dict[str, Any]:
    """The description of a small job of shell commands; one in four fails."""
    seconds = f"{chance.uniform(2, 6):.1f}"
    count = f"{_COUNT}{seconds}"
    if chance.random() < 0.25:
        count += '; test "$BATCH_COMPUTE_DAG_INSTANCE_ID" != 1 || { echo "part 1 is empty" >&2; exit 3; }'
    commands = {"split": (1, f"{_COUNT}1"), "count": (3, count), "merge": (1, "echo merged")}
    return {
        "Name": "word-count",
        "Type": "DAG",
        "Description": "shell commands on the emulator's own machine",
        "Priority": 10,
        "JobFailOnInstanceFail": True,
        "DAG": {
            "Tasks": {name: _task(instances, command) for name, (instances, command) in commands.items()},
            "Dependencies": {"split": ["count"], "count": ["merge"]},
        },
    }


def _task(instances: int, command_line: str) -> dict[str, Any]:
    return {
        "InstanceCount": instances,
        "Timeout": 60,
        "AutoCluster": {"ResourceType": "OnDemand", "ImageId": "img-ubuntu", "InstanceType": "ecs.sn1.medium"},
        "Parameters": {
            "Command": {"CommandLine": command_line},
            "StdoutRedirectPath": LOGS,
            "StderrRedirectPath": LOGS,
        },
    }
