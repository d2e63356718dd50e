"""What exists before anything has happened."""

from prometheus_client import CollectorRegistry

from monitor.metrics.instruments import DELIVERY_RESULTS, REQUEST_RESULTS, Instruments


def values(registry: CollectorRegistry, name: str, label: str) -> dict[str, float]:
    """The value of each sample of this name, by one of its labels."""
    return {
        sample.labels[label]: sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == name
    }


def test_outcomes_are_zero_from_the_start() -> None:
    """`increase()` sees the first failure of a project because its counter was there before."""
    instruments = Instruments()
    instruments.meet(["warehouse"], [("warehouse", "ads")], [])
    outcomes = values(instruments.registry, "stagewatch_terminations_total", "outcome")
    assert outcomes == {"succeeded": 0, "failed": 0, "cancelled": 0}
    assert values(instruments.registry, "stagewatch_partial_failures_total", "project") == {"ads": 0}
    assert values(instruments.registry, "stagewatch_duration_seconds_count", "outcome") == outcomes
    assert values(instruments.registry, "stagewatch_wait_seconds_count", "project") == {"ads": 0}
    assert values(instruments.registry, "stagewatch_source_throttled_seconds_total", "source") == {"warehouse": 0}


def test_channels_have_every_result_from_the_start() -> None:
    """A channel that has never failed shows that with a zero."""
    instruments = Instruments()
    instruments.meet([], [], ["ops"])
    assert values(instruments.registry, "stagewatch_deliveries_total", "result") == dict.fromkeys(DELIVERY_RESULTS, 0)
    assert values(instruments.registry, "stagewatch_deliveries_given_up_total", "channel") == {"ops": 0}


def test_an_operation_has_every_result_once_it_is_met() -> None:
    """Which operations there are only the driver knows; how they can end is known to all."""
    instruments = Instruments()
    instruments.meet_operation("warehouse", "sweep")
    instruments.meet_operation("warehouse", "sweep")
    assert values(instruments.registry, "stagewatch_source_requests_total", "result") == dict.fromkeys(
        REQUEST_RESULTS, 0
    )


def test_meeting_a_project_again_keeps_its_counts() -> None:
    """A place is met with every event about it."""
    instruments = Instruments()
    place = instruments.meet_place("warehouse", "ads")
    instruments.lost.labels(*place).inc()
    assert instruments.meet_place("warehouse", "ads") == place == ("warehouse", "ads")
    assert values(instruments.registry, "stagewatch_lost_total", "project") == {"ads": 1}


def test_registries_share_nothing() -> None:
    """Two daemons in one process count apart."""
    one, other = Instruments(), Instruments()
    one.throttled.labels("warehouse").inc(3)
    assert values(other.registry, "stagewatch_source_throttled_seconds_total", "source") == {}
