from monitor.emulator.batchcompute.views import LIVE, Metrics, State


def test_states_are_counted() -> None:
    """Each in its counter."""
    states = [State.RUNNING, State.FINISHED, State.RUNNING, State.STOPPED, State.FAILED, State.WAITING]
    assert Metrics.of(states) == Metrics(waiting=1, running=2, finished=1, failed=1, stopped=1)
    assert Metrics.of([]) == Metrics()


def test_counts_add_up() -> None:
    """Counter by counter; of nothing there is none."""
    assert Metrics.total([Metrics(1, 2, 3, 4, 5), Metrics(10, 0, 0, 0, 1)]) == Metrics(11, 2, 3, 4, 6)
    assert Metrics.total([]) == Metrics()


def test_two_states_are_left_by_themselves() -> None:
    """The others stay until somebody starts the job again."""
    assert [state for state in State if not state.final] == list(LIVE) == [State.WAITING, State.RUNNING]
