"""The request budget: a bucket whose time is an argument, and a queue on a mock clock."""

import anyio
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from monitor.sources.base import Priority
from monitor.sources.budget import Budget, PausedError, TokenBucket


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """Trio, on a clock that jumps when everybody sleeps."""
    return "trio", {"clock": MockClock(autojump_threshold=0)}


def budget(rate: float = 4.0, concurrency: int = 100, patience: float = 30.0) -> Budget:
    """A budget on the mock clock."""
    return Budget(rate=rate, concurrency=concurrency, patience=patience, clock=anyio.current_time)


# --- the bucket -----------------------------------------------------------------------------------------------------


def test_a_full_bucket_gives_a_burst_and_then_the_rate() -> None:
    """At 20 a second five may go at once, and the next one waits for a twentieth of a second."""
    bucket = TokenBucket(20.0, now=0.0)
    assert [bucket.take(0.0) for _ in range(5)] == [0.0] * 5
    assert bucket.take(0.0) == pytest.approx(0.05)
    assert bucket.take(0.05) == 0.0


def test_a_slow_rate_still_lets_one_go_at_once() -> None:
    """At one in ten seconds the first goes at once and the second ten seconds later."""
    bucket = TokenBucket(0.1, now=0.0)
    assert bucket.take(0.0) == 0.0
    assert bucket.take(0.0) == pytest.approx(10.0)
    assert bucket.take(10.0) == 0.0


@given(
    rate=st.floats(min_value=0.1, max_value=500),
    waits=st.lists(st.floats(min_value=0, max_value=3), min_size=1, max_size=200),
)
def test_the_rate_is_never_exceeded(rate: float, waits: list[float]) -> None:
    """Over any stretch no more is given than the rate times its length, and the burst."""
    bucket = TokenBucket(rate, now=0.0)
    now = 0.0
    given_at = []
    for wait in waits:
        now += wait
        if bucket.take(now) == 0.0:
            given_at.append(now)
    burst = max(1.0, rate / 4)
    for first, begins in enumerate(given_at):
        for last in range(first, len(given_at)):
            assert last - first + 1 <= rate * (given_at[last] - begins) + burst + 1e-6


@given(st.floats(min_value=0.1, max_value=500), st.integers(min_value=1, max_value=50))
def test_what_it_says_to_wait_is_enough(rate: float, times: int) -> None:
    """Whoever waits for as long as the bucket said gets a token then."""
    bucket = TokenBucket(rate, now=0.0)
    now = 0.0
    for _ in range(times):
        wait = bucket.take(now)
        if wait:
            now += wait + 1e-6
            assert bucket.take(now) == 0.0


def test_a_throttled_bucket_pauses_then_halves_then_recovers() -> None:
    """Nothing goes before the time the service named; then at half the rate, which comes back within a minute."""
    bucket = TokenBucket(20.0, now=0.0)
    assert bucket.throttle(0.0, 5.0) == 5.0
    assert bucket.take(4.0) == pytest.approx(1.0)
    assert bucket.paused_for(4.0) == pytest.approx(1.0)
    assert bucket.take(5.0) == pytest.approx(0.1)
    assert bucket.rate(5.0) == 10.0
    assert bucket.rate(35.0) == pytest.approx(20.0)


def test_answers_that_were_under_way_halve_once() -> None:
    """Ten requests that were under way are refused together: that is one sign of too much, not ten."""
    bucket = TokenBucket(20.0, now=0.0)
    grown = [bucket.throttle(0.0, 2.0) for _ in range(10)]
    assert grown == [2.0] + [0.0] * 9
    assert bucket.rate(2.0) == 10.0


def test_a_longer_pause_adds_only_what_is_new() -> None:
    """Pauses overlap: the time that the source stood still is counted once."""
    bucket = TokenBucket(20.0, now=0.0)
    assert bucket.throttle(0.0, 2.0) + bucket.throttle(1.0, 4.0) == pytest.approx(5.0)
    assert bucket.paused_for(1.0) == pytest.approx(4.0)


def test_a_pause_without_a_time_is_short_and_an_absurd_one_is_cut() -> None:
    """Where the service names no time it is a second; where it names a year it is an hour."""
    assert TokenBucket(20.0, now=0.0).throttle(0.0, None) == 1.0
    assert TokenBucket(20.0, now=0.0).throttle(0.0, 3e7) == 3600.0


def test_endless_throttling_leaves_a_trickle() -> None:
    """However often it is throttled, the rate stays above nothing, so that recovery is noticed."""
    bucket = TokenBucket(32.0, now=0.0)
    now = 0.0
    for _ in range(50):
        bucket.throttle(now, 0.0)
        now += 0.001
    assert 1.0 <= bucket.rate(now) < 2.0


# --- the queue ------------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_waiting_ones_go_at_the_rate() -> None:
    """Nine requests at four a second: one at once, the others a quarter of a second apart."""
    limits = budget(rate=4.0)
    began = anyio.current_time()
    times = []
    for _ in range(9):
        await limits.enter(Priority.SWEEP)
        times.append(anyio.current_time() - began)
    assert times == pytest.approx([0.25 * number for number in range(9)])


@pytest.mark.anyio
async def test_the_urgent_go_first_and_equals_in_order() -> None:
    """Who waits is served by priority, then in the order of arrival, also when the urgent arrives last."""
    limits = budget(rate=1.0)
    await limits.enter(Priority.SWEEP)
    order: list[str] = []

    async def wait(name: str, priority: Priority) -> None:
        await limits.enter(priority)
        order.append(name)

    async with anyio.create_task_group() as tasks:
        for name, priority in (
            ("attention 1", Priority.ATTENTION),
            ("attention 2", Priority.ATTENTION),
            ("watched", Priority.WATCHED),
            ("outcome", Priority.OUTCOME),
            ("sweep", Priority.SWEEP),
        ):
            tasks.start_soon(wait, name, priority)
            await anyio.wait_all_tasks_blocked()
    assert order == ["sweep", "outcome", "watched", "attention 1", "attention 2"]


@pytest.mark.anyio
async def test_the_urgent_do_not_starve_the_others() -> None:
    """Where listings alone use up the rate, as after throttling, a question about one instance still has its turn
    within seconds: a failure must not wait for ever to be told."""
    limits = budget(rate=1.0)
    await limits.enter(Priority.SWEEP)
    limits.leave()
    asked = anyio.current_time()
    waited: dict[Priority, float] = {}

    async def ask(priority: Priority) -> None:
        await limits.enter(priority)
        waited[priority] = anyio.current_time() - asked
        limits.leave()

    async def sweep() -> None:
        while len(waited) < 4:
            await ask(Priority.SWEEP)
            await anyio.sleep(0.5)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sweep)
        for priority in (Priority.OUTCOME, Priority.WATCHED, Priority.ATTENTION):
            tasks.start_soon(ask, priority)
    assert waited[Priority.OUTCOME] < 4
    assert waited[Priority.OUTCOME] < waited[Priority.WATCHED] < waited[Priority.ATTENTION] < 10


@pytest.mark.anyio
async def test_a_place_is_needed_besides_a_token() -> None:
    """With two places the third waits until one is given back, however many tokens there are."""
    limits = budget(rate=1000.0, concurrency=2)
    await limits.enter(Priority.SWEEP)
    await limits.enter(Priority.SWEEP)
    assert not limits.enter_at_once(anyio.current_time())
    entered = anyio.Event()

    async def third() -> None:
        await limits.enter(Priority.SWEEP)
        entered.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(third)
        await anyio.wait_all_tasks_blocked()
        assert not entered.is_set()
        limits.leave()
        await entered.wait()


@pytest.mark.anyio
async def test_who_gives_up_waiting_holds_up_nobody() -> None:
    """The first in the queue is cancelled: the next one goes at its time."""
    limits = budget(rate=1.0)
    await limits.enter(Priority.SWEEP)
    began = anyio.current_time()

    async with anyio.create_task_group() as tasks:
        with anyio.CancelScope() as impatient:

            async def leave_early() -> None:
                await checkpoint()
                impatient.cancel()

            tasks.start_soon(leave_early)
            await limits.enter(Priority.SWEEP)
        await limits.enter(Priority.ATTENTION)
    assert anyio.current_time() - began == pytest.approx(1.0)


@pytest.mark.anyio
async def test_a_short_pause_is_waited_for() -> None:
    """The service asked for two seconds: who waits, and who comes, goes then and not before."""
    limits = budget(rate=4.0)
    began = anyio.current_time()
    limits.throttle(2.0)
    await limits.enter(Priority.SWEEP)
    assert anyio.current_time() - began >= 2.0


@pytest.mark.anyio
async def test_a_long_pause_is_refused_at_once() -> None:
    """Nobody stands in a queue for ten minutes: those who come and those who already wait are told how long it is."""
    limits = budget(rate=1.0, patience=30.0)
    await limits.enter(Priority.SWEEP)
    told: list[float] = []

    async def wait() -> None:
        with pytest.raises(PausedError) as caught:
            await limits.enter(Priority.SWEEP)
        told.append(caught.value.seconds)

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        limits.throttle(600.0)
    with pytest.raises(PausedError):
        await limits.enter(Priority.WATCHED)
    assert told == pytest.approx([600.0] * 3)
