"""What the README lists is what there is: no command, path, exit code, trigger or fault more, and none less."""

import json
import os
import re
import subprocess
from pathlib import Path

import msgspec
import pytest
import typer
from typer.core import TyperGroup

from monitor.cli import app, exits
from monitor.config import parse
from monitor.core.alerting import Trigger
from monitor.emulator.batchcompute.faults import FAULTS as BATCH_FAULTS
from monitor.emulator.batchcompute.levers import NewJobs
from monitor.emulator.control import ClockChange, NewInstances
from monitor.emulator.faults import FAULTS, Setting
from monitor.emulator.scenario import SCENARIOS
from tests.e2e.processes import STAGEWATCH

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def part(name: str) -> str:
    """What stands between the marks of that name."""
    _, opening, rest = TEXT.partition(f"<!-- {name} -->")
    inside, closing, _ = rest.partition(f"<!-- /{name} -->")
    assert opening
    assert closing
    return inside


def first_cells(name: str) -> list[str]:
    """The first column of the table that is marked with that name."""
    rows = [line for line in part(name).splitlines() if line.startswith("|")][2:]
    return [re.split(r"(?<!\\)\|", row)[1].strip() for row in rows]


def code(text: str) -> list[str]:
    """All that is set as code."""
    return re.findall(r"`([^`]+)`", text)


@pytest.fixture
def commands() -> dict[str, set[str]]:
    """The options of each command as it is built."""
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    return {name: {option for it in one.params for option in it.opts} for name, one in group.commands.items()}


def test_every_command_is_listed(commands: dict[str, set[str]]) -> None:
    """With options that it has."""
    listed = [code(cell)[0].split() for cell in first_cells("commands")]
    assert sorted(words[1] for words in listed) == sorted(commands)
    for words in listed:
        assert set(re.findall(r"(?<=[\s[])--?[a-z-]+", " ".join(words))) <= commands[words[1]], words[1]


def test_what_parse_prints() -> None:
    """The example, as a shell runs it."""
    found = re.search(r"^\$ (printf .* \| stagewatch parse)\n(.*)$", TEXT, re.MULTILINE)
    assert found is not None
    env = {**os.environ, "PATH": f"{STAGEWATCH.parent}:{os.environ['PATH']}"}
    done = subprocess.run(["sh", "-c", found[1]], env=env, capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout == f"{found[2]}\n"


def test_every_heading_that_is_linked_is_there() -> None:
    """And so is every file."""
    headings = {line.lstrip("# ").lower().replace(" ", "-") for line in TEXT.splitlines() if line.startswith("#")}
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        assert target[1:] in headings if target.startswith("#") else (ROOT / target).exists(), target
    for name in code(TEXT):
        if re.fullmatch(r"(config|grafana)/[\w./]*", name):
            assert (ROOT / name).exists(), name


def test_every_exit_code_is_listed() -> None:
    """Those of the table are those that the program knows."""
    listed = {int(number) for cell in first_cells("exits") for number in re.findall(r"\d+", cell)}
    known = {value for name, value in vars(exits).items() if name.isupper() and isinstance(value, int)}
    assert listed == {0, *known}


def test_every_request_is_listed() -> None:
    """With all parameters, as the contract for machines has them."""
    contract = json.loads((ROOT / "monitor" / "web" / "static" / "openapi.json").read_text())
    known: dict[str, set[str]] = {}
    for path, operations in contract["paths"].items():
        name = re.sub(r"(?<=/instances/)(\{source\}/\{project\}/)?\{id\}", "KEY", path)
        for method, operation in operations.items():
            if method in {"get", "post"}:
                given = {it["name"] for it in operation.get("parameters", []) if it.get("in") == "query"}
                known[f"{method.upper()} {name}"] = given
    listed: dict[str, set[str]] = {}
    for cell in first_cells("http"):
        for request in code(cell):
            name, _, query = request.partition("?")
            if " " in name:
                listed[name] = set(re.findall(r"(\w+)(?:=\w*)?(?:&|$)", query))
    assert listed.keys() == known.keys()
    for name, parameters in listed.items():
        assert parameters == known[name] - {"verbose"}, name


def test_every_trigger_is_listed() -> None:
    """What a rule may wait for."""
    assert {word for cell in first_cells("triggers") for word in code(cell)} == set(Trigger)


def test_every_fault_and_scenario_is_listed() -> None:
    """What the emulator can be told to do."""
    scenarios, faults = re.findall(r"(?:Scenarios|Faults): (.*)", part("faults"))
    assert code(scenarios) == list(SCENARIOS)
    assert code(faults) == list(FAULTS)
    assert BATCH_FAULTS.keys() <= FAULTS.keys()


def test_every_lever_takes_what_is_shown() -> None:
    """The bodies that are sent to the emulator are whole and good."""
    takes = {"instances": NewInstances, "jobs": NewJobs, "faults": Setting, "clock": ClockChange}
    shown = [
        (lever, body)
        for line in part("levers").splitlines()
        for lever in takes
        if f"/-/emulator/{lever}`" in line
        for body in code(line)
        if body.startswith("{")
    ]
    assert [lever for lever, _ in shown] == list(takes)
    for lever, body in shown:
        assert isinstance(msgspec.json.decode(body, type=takes[lever]), takes[lever])


def test_the_config_is_good(tmp_path: Path) -> None:
    """It can be used as it stands, once its folders and files are there."""
    text = "\n".join(line.removeprefix("   ") for line in part("config").splitlines() if "```" not in line)
    for name in ("maxcompute", "batchcompute"):
        (tmp_path / name).write_text("a-made-up-key")
    text = text.replace("/run/secrets", str(tmp_path)).replace("/var/lib/stagewatch", str(tmp_path))
    env = {"MAXCOMPUTE_ACCESS_ID": "me", "BATCHCOMPUTE_ACCESS_ID": "me"}
    config = parse(text, file="README.md", env=env)
    assert [source.name for source in config.sources] == ["warehouse", "render"]
