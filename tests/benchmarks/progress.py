"""Stages per CPU-second: a hand split, a compiled regex, and ours, taking turns over the same text.

All three build the same stages. The split is what one writes first: it can read the plain form only, and trusts it.
The regex is the token of the grammar, searched for: it reads both dialects, and neither header nor malformed words.

    python -m tests.benchmarks.progress
"""

import random
import re
import statistics
import time
from collections.abc import Callable, Sequence

from monitor.core.model import Stage
from monitor.core.progress import encode_line, format_stages, parse_line

ROUNDS = 15
LINES = 2_000
HEADER = "20160519101349613gzbzufck2 2016-05-19 18:14:03 "
TOKEN = re.compile(
    r"([^\s:]+):(\d+)/(\d+)/(\d+)(?:\(\+(\d+) backups\))?(?:\[(?:(\d+)%|([A-Z]+))\])?(?=\s|$)",
)


def by_split(line: str) -> list[Stage]:
    stages = []
    for word in line.split()[3:]:
        name, rest = word.split(":")
        counts, percent = rest.split("[")
        running, terminated, total = counts.split("/")
        stages.append(Stage(name, int(running), int(terminated), int(total), 0, int(percent[:-2])))
    return stages


def by_regex(line: str) -> list[Stage]:
    return [
        Stage(
            name, int(running), int(terminated), int(total), int(backups or 0), int(percent) if percent else None, word
        )
        for name, running, terminated, total, backups, percent, word in (m.groups() for m in TOKEN.finditer(line))
    ]


def ours(line: str) -> Sequence[Stage]:
    parsed = parse_line(line)
    return parsed.stages if parsed else ()


def text(chance: random.Random, plain: bool) -> list[str]:
    """Lines of one to eight stages; unless `plain`, some with backups, and some with a status or nothing at the end."""
    lines = []
    for _ in range(LINES):
        stages = []
        for number in range(1, chance.randint(1, 8) + 1):
            total = chance.randint(1, 2_000)
            terminated = chance.randint(0, total)
            name = f"{'MRJ'[number % 3]}{number}{f'_{number - 1}' if number > 1 else ''}_Stg{number}_job0"
            running = chance.randint(0, total - terminated)
            stage = Stage(name, running, terminated, total, 0, 100 * terminated // total)
            if not plain and chance.random() < 0.3:
                backups = chance.randint(0, 9)
                stage = Stage(name, running, terminated, total, backups, None, chance.choice(["RUNNING", None]))
            stages.append(stage)
        lines.append(f"{HEADER}{format_stages(stages)}\t")
    return lines


def compare(title: str, lines: list[str], readers: dict[str, Callable[[str], Sequence[Stage]]]) -> None:
    """Print stages per CPU-second of each reader: the median of rounds in which all of them take a turn."""
    expected = [list(ours(line)) for line in lines]
    for name, reader in readers.items():
        if [list(reader(line)) for line in lines] != expected:
            raise AssertionError(f"{name} reads other stages than ours: the comparison would be void")
    count = sum(map(len, expected))
    spent: dict[str, list[float]] = {name: [] for name in readers}
    for _ in range(ROUNDS):
        for name, reader in readers.items():
            started = time.process_time()
            for line in lines:
                reader(line)
            spent[name].append(time.process_time() - started)
    medians = {name: statistics.median(times) for name, times in spent.items()}
    print(f"{title}: {count} stages, {ROUNDS} rounds")
    for name, seconds in medians.items():
        times = seconds / medians["ours"]
        print(f"  {name:<16} {count / seconds:>10,.0f} stages per CPU-second   ours is {times:.2f} times as fast")


def whole_command(lines: list[str]) -> None:
    """Print stages per CPU-second of what `parse` does with a text: read, name, encode."""
    count = sum(len(ours(line)) for line in lines)
    spent = []
    for _ in range(ROUNDS):
        started = time.process_time()
        for number, line in enumerate(lines, 1):
            parsed = parse_line(line)
            if parsed:
                encode_line(number, parsed)
        spent.append(time.process_time() - started)
    print(f"text to JSON: {count / statistics.median(spent):,.0f} stages per CPU-second")


def main() -> None:
    chance = random.Random(20160519)
    plain, mixed = text(chance, plain=True), text(chance, plain=False)
    compare("plain form", plain, {"hand split": by_split, "compiled regex": by_regex, "ours": ours})
    compare("both dialects, backups", mixed, {"compiled regex": by_regex, "ours": ours})
    whole_command(mixed)


if __name__ == "__main__":
    main()
