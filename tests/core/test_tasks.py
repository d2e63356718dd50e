"""What is said of tasks, merged with what is known."""

from datetime import UTC, datetime

from monitor.core.model import Phase, Stage, Task
from monitor.core.tasks import finished_stages, merge_tasks

NOON = datetime(2016, 5, 19, 12, tzinfo=UTC)
HALF, WHOLE = Stage("M1", 5, 5, 10), Stage("M1", 0, 10, 10)


def test_what_is_said_of_the_same_again_is_nothing_new() -> None:
    """The very tasks that are known come back, also when nothing was said at all."""
    known = (Task("A", "SQL", Phase.RUNNING, stages=(HALF,)),)
    assert merge_tasks(known, ()) is known
    assert merge_tasks(known, (Task("A", "SQL", Phase.RUNNING),)) is known


def test_stages_that_a_service_forgets_stay() -> None:
    """The last ones read, and what a task depends on; the rest is as it is said now."""
    known = (Task("A", phase=Phase.RUNNING, stages=(WHOLE,), depends_on=("Z",)),)
    said = (Task("A", phase=Phase.SUCCEEDED, ended_at=NOON), Task("B"))
    assert merge_tasks(known, said) == (
        Task("A", phase=Phase.SUCCEEDED, ended_at=NOON, stages=(WHOLE,), depends_on=("Z",)),
        Task("B"),
    )


def test_how_a_task_ended_is_not_unlearned() -> None:
    """Somebody who lists a step without knowing how it stands takes nothing away."""
    known = (Task("train", "SQL", Phase.SUCCEEDED, NOON, NOON, (WHOLE,)),)
    assert merge_tasks(known, (Task("train"), Task("test"))) == (*known, Task("test"))


def test_stages_that_have_finished_since() -> None:
    """Each once, with the name of its task."""
    old, new = (Task("A", stages=(HALF,)), Task("B", stages=(WHOLE,))), (Task("A", stages=(WHOLE,)), Task("B"))
    assert list(finished_stages(old, new)) == [("A", WHOLE)]
    assert list(finished_stages(new, new)) == []
