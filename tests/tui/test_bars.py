"""Instances and stages as lines: what fits, what is summed up, how wide it is."""

from datetime import timedelta

import pytest
from rich.cells import cell_len

from monitor.client import Instance
from monitor.core.model import Phase, Queue, Stage, Task, Verdict
from monitor.tui.bars import Spans, draw
from tests.client.test_model import shown
from tests.web.desk import HOSTILE, NOON, failed, staged, track

LATER = NOON + timedelta(seconds=61)


def many(count: int = 200) -> Instance:
    """Half are done, a tenth run, the others wait; every third has a Chinese name."""
    stages = tuple(
        Stage(
            f"M{number}_Stg1_job0" if number % 3 else f"任务{number}数据汇总表处理阶段",
            running=3 if 100 <= number < 120 else 0,
            terminated=10 if number < 100 else 2 if number < 120 else 0,
            total=10,
        )
        for number in range(count)
    )
    task = Task("AnonymousSQLTask", "SQL", Phase.RUNNING, NOON, None, stages)
    return shown(track("i1", name="日报汇总", started_at=NOON, progress=0.51, tasks=(task,)))


def lines(*instances: Instance, width: int = 80, height: int = 23, spans: Spans | None = None) -> list[str]:
    """What is drawn, as text."""
    return [line.plain for line in draw(instances, width, height, LATER, spans or Spans())]


@pytest.mark.parametrize(("width", "height"), [(80, 23), (200, 49), (40, 9), (20, 3), (80, 1), (1, 1)])
def test_it_fits(width: int, height: int) -> None:
    """No line is wider and no screen higher than there is room, with Chinese names and hostile ones."""
    instances = [
        many(),
        shown(failed("i2", message="表不存在 " * 30)),
        *(shown(track(f"x{at}", name=name)) for at, name in enumerate(HOSTILE)),
    ]
    drawn = lines(*instances, width=width, height=height)
    assert 0 < len(drawn) <= height
    assert max(map(cell_len, drawn)) <= width
    assert all(letter.isprintable() for line in drawn for letter in line)


def test_of_many_stages_those_that_run_are_shown() -> None:
    """The rest is summed up by what it does."""
    drawn = lines(many(), height=30)
    assert drawn[0] == "warehouse/analytics/i1  running  51%  1:01  日报汇总"
    assert len(drawn) == 30
    assert all("3 running" in line for line in drawn[1:21])
    assert drawn[-1] == "  and 172 more: 100 done, 72 waiting"
    assert "100 done, 80 waiting" in lines(many(), height=22)[-1]


def test_columns_stand_under_each_other() -> None:
    """Also where some names are Chinese: they take two columns a letter."""
    drawn = lines(many(6), width=200)
    assert len({cell_len(line[: line.index("10/10")]) for line in drawn[1:]}) == 1


def test_everything_is_shown_where_it_fits() -> None:
    """In the order of the service: percent, a bar of that length, workers."""
    drawn = lines(shown(staged("i1", 3, total=10)))
    assert len(drawn) == 3
    assert drawn[1].split()[0] == "M1_Stg1_job0"
    assert drawn[1].endswith("3/10, 1 running")
    assert "30%" in drawn[1]
    assert drawn[1].count("━") == int(0.3 * (drawn[1].count("━") + drawn[1].count("─")))


def test_of_many_instances_those_that_run_are_shown() -> None:
    """The rest is counted by phase."""
    ended = [shown(track(f"s{number}", Phase.SUCCEEDED)) for number in range(30)]
    drawn = lines(*ended, shown(track("r")), height=10)
    assert len(drawn) == 10
    assert any(line.startswith("warehouse/analytics/r  running") for line in drawn)
    assert drawn[-1] == "and 22 more: 22 succeeded"


def test_rows_are_shared() -> None:
    """Two instances with more stages than fit get nearly the same."""
    drawn = lines(many(), many(), height=20)
    assert sum("and " in line for line in drawn) == 2
    heads = [at for at, line in enumerate(drawn) if line.startswith("warehouse")]
    assert heads == [0, 10]


def test_what_a_head_says() -> None:
    """Attempt, verdicts, place in the queue, and why it failed."""
    verdicts = frozenset({Verdict.QUEUED_TOO_LONG})
    waiting = shown(track("i1", Phase.WAITING, queue=Queue(3, 12), attempt=2, verdicts=verdicts))
    assert lines(waiting, width=100) == [
        "warehouse/analytics/i1  waiting  attempt 2  queued_too_long  3 in the queue of 12"
    ]
    assert lines(shown(failed("i2")))[1] == "  ODPS-0130131: Table not found"


def test_elapsed_time_of_a_stage() -> None:
    """Counted from when it was seen to begin; at least so long if it was at work before; until it ended."""
    spans = Spans()
    at = NOON
    for terminated in (3, 5, 10):
        spans.look(shown(staged("i1", terminated, running=int(terminated < 10))), at)
        at += timedelta(seconds=10)
    one = shown(staged("i1", 10))
    assert spans.tell(one, "AnonymousSQLTask", "M1_Stg1_job0", at) == ">20s"
    assert spans.tell(one, "AnonymousSQLTask", "R2_1_Stg1_job0", at) == ""
    later = shown(staged("i1", 10, total=11))
    spans.look(shown(track("i1", tasks=(Task("AnonymousSQLTask", stages=(Stage("R2_1_Stg1_job0", 1, 0, 4),)),))), at)
    assert spans.tell(later, "AnonymousSQLTask", "R2_1_Stg1_job0", at + timedelta(seconds=95)) == "1:35"
    assert spans.tell(shown(staged("other", 1)), "AnonymousSQLTask", "M1_Stg1_job0", at) == ""


def test_what_was_over_before_has_no_time() -> None:
    """A stage that was done when somebody began to look was not timed."""
    spans = Spans()
    done = shown(staged("i1", 10, running=0))
    spans.look(done, NOON)
    assert spans.tell(done, "AnonymousSQLTask", "M1_Stg1_job0", LATER) == ""
