import pytest

from monitor.emulator.clock import Clock, http_date, id_date, queue_date


class _Hands:
    """Real time, moved by hand."""

    def __init__(self) -> None:
        self.ticks = 0.0

    def clock(self, speed: float) -> Clock:
        return Clock(speed, wall=lambda: 1_000_000.0 + self.ticks, ticks=lambda: self.ticks)


def test_emulated_seconds_pass_at_the_speed_of_the_clock() -> None:
    """Ten real seconds at speed 6 are a minute, and a change of speed counts from then on."""
    hands = _Hands()
    clock = hands.clock(6)
    hands.ticks = 10
    assert clock.emulated() == 60
    clock.set_speed(1)
    hands.ticks = 15
    assert clock.emulated() == 65


def test_dates_of_the_past_survive_a_change_of_speed() -> None:
    """An emulated second keeps the real date at which it passed."""
    hands = _Hands()
    clock = hands.clock(10)
    hands.ticks = 2
    clock.set_speed(1)
    hands.ticks = 12
    assert clock.wall_at(10) == 1_000_001
    assert clock.wall_at(25) == 1_000_007
    assert clock.wall_at(40) == 1_000_022


def test_a_skipped_second_passed_when_it_was_skipped() -> None:
    """All seconds of a jump carry the date of the jump."""
    hands = _Hands()
    clock = hands.clock(1)
    hands.ticks = 5
    clock.advance(100)
    assert clock.emulated() == 105
    assert clock.wall_at(50) == 1_000_005
    assert clock.wall_at(106) == 1_000_006


def test_a_date_that_was_told_stays_when_the_clock_is_put_right() -> None:
    """A clock that was an hour ahead for a while has dated what passed then an hour ahead, now and later."""
    hands = _Hands()
    clock = hands.clock(1)
    right = clock.wall
    clock.wall = lambda: right() + 3600
    clock.set_speed(1)
    hands.ticks = 5
    assert clock.wall_at(3) == 1_003_603
    clock.wall = right
    clock.set_speed(1)
    hands.ticks = 9
    assert clock.wall_at(3) == 1_003_603
    assert clock.wall_at(7) == 1_000_007


def test_a_stopped_clock_never_gets_there() -> None:
    """At speed 0 the wait for the future is endless, the past is over, and the present has a date."""
    hands = _Hands()
    clock = hands.clock(0)
    hands.ticks = 3
    assert clock.real_seconds_until(1) == float("inf")
    assert clock.real_seconds_until(0) == 0
    assert clock.wall_at(7) == 1_000_003


def test_real_seconds_until_an_emulated_moment() -> None:
    """Twice as fast, half as long."""
    assert _Hands().clock(2).real_seconds_until(10) == 5


@pytest.mark.parametrize("speed", [-1.0, float("inf"), float("nan")])
def test_a_senseless_speed_is_refused(speed: float) -> None:
    """Time does not run backwards."""
    with pytest.raises(ValueError, match="speed must be 0"):
        Clock(speed)


@pytest.mark.parametrize("seconds", [-1.0, float("inf")])
def test_a_senseless_jump_is_refused(seconds: float) -> None:
    """Nor does it jump backwards."""
    with pytest.raises(ValueError, match="advance must be"):
        Clock().advance(seconds)


def test_dates_in_the_three_forms_of_the_service() -> None:
    """Headers in GMT, queueing information with its offset, ids in UTC down to the millisecond."""
    assert http_date(1737704061.9) == "Fri, 24 Jan 2025 07:34:21 GMT"
    assert queue_date(1737704061.9) == "2025-01-24 15:34:21 +0800"
    assert id_date(1737704061.123) == "20250124073421123"
