"""Gauges computed from a picture of how things stand."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from monitor.core.health import Health
from monitor.core.model import InstanceKey, Phase, Stage, Task, Track
from monitor.metrics.picture import Picture
from monitor.storage.base import OutboxDepth

AT = datetime(2024, 5, 11, 12, tzinfo=UTC)
ADS = ("warehouse", "ads")
LOGS = ("warehouse", "logs")


def picture(**parts: Any) -> Picture:
    """A picture of one source with two projects, where nothing has happened but `parts`."""
    empty: Mapping[str, Any] = {
        "at": AT,
        "since": AT - timedelta(minutes=5),
        "version": "0.1.0",
        "sources": ("warehouse",),
        "heard": frozenset(),
        "configured": (ADS, LOGS),
        "places": (ADS, LOGS),
        "counts": {},
        "live": {},
        "health": {},
        "progress_series": 500,
        "channels": (),
        "depths": (),
        "feed_clients": 0,
        "feed_messages": 0,
        "feed_closed": {},
        "loop_lag": 0.0,
        "reload_ok": True,
        "reloaded_at": AT,
        "exposition_bytes": 0,
    }
    return Picture(**{**empty, **parts})


def samples(of: Picture, name: str) -> dict[tuple[str, ...], float]:
    """The values of one name by their label values, in the order in which they are written."""
    return {
        tuple(sample.labels.values()): sample.value
        for family in of.collect()
        for sample in family.samples
        if sample.name == name
    }


def running(name: str, *, minutes: int, progress: float | None = 0.5, project: str = "ads") -> Track:
    """A track that has been running for so long."""
    return Track(
        key=InstanceKey("warehouse", project, name),
        kind="maxcompute",
        phase=Phase.RUNNING,
        started_at=AT - timedelta(minutes=minutes),
        progress=progress,
    )


def test_every_phase_of_every_project_is_there() -> None:
    """A project without instances shows seven zeros, not seven gaps."""
    counted = samples(picture(counts={(*ADS, Phase.FAILED): 2}), "stagewatch_instances")
    assert set(counted) == {(*place, phase.value) for place in (ADS, LOGS) for phase in Phase}
    assert counted[*ADS, "failed"] == 2
    assert sum(counted.values()) == 2


def test_workers_are_added_up_over_tasks_and_stages() -> None:
    """Planned workers that neither run nor ended are pending; more running than planned is not negative pending."""
    tasks = (
        Task("a", stages=(Stage("M1", 2, 3, 10), Stage("R2_1", 0, 0, 4))),
        Task("b", stages=(Stage("M1", 3, 8, 10, backups=2),)),
    )
    track = Track(key=InstanceKey(*ADS, "i"), kind="maxcompute", phase=Phase.RUNNING, tasks=tasks)
    counted = samples(picture(live={ADS: (track,)}), "stagewatch_workers")
    assert counted == {
        (*ADS, "running"): 5,
        (*ADS, "pending"): 9,
        (*ADS, "backup"): 2,
        (*LOGS, "running"): 0,
        (*LOGS, "pending"): 0,
        (*LOGS, "backup"): 0,
    }


def test_the_longest_running_keep_their_series_under_the_cap() -> None:
    """Three fit, two are left out, and how many were is told per source."""
    ads = tuple(running(f"i{minutes}", minutes=minutes) for minutes in (5, 50, 1))
    logs = tuple(running(f"i{minutes}", minutes=minutes, project="logs") for minutes in (20, 2))
    shown = picture(live={ADS: ads, LOGS: logs}, progress_series=3)
    assert list(samples(shown, "stagewatch_instance_progress_ratio")) == [
        (*ADS, "i50"),
        (*LOGS, "i20"),
        (*ADS, "i5"),
    ]
    assert samples(shown, "stagewatch_instance_series_omitted") == {("warehouse",): 2}


def test_a_cap_of_zero_leaves_all_of_them_out() -> None:
    """Whoever wants no instance id in a label gets none, and the number all the same."""
    shown = picture(live={ADS: (running("i", minutes=1),)}, progress_series=0)
    assert samples(shown, "stagewatch_instance_progress_ratio") == {}
    assert samples(shown, "stagewatch_instance_series_omitted") == {("warehouse",): 1}


def test_only_running_instances_with_known_progress_have_a_series() -> None:
    """What nobody knows is absent and not a zero; the cap has not left it out either."""
    waiting = Track(key=InstanceKey(*ADS, "w"), kind="maxcompute", phase=Phase.WAITING, progress=0.0)
    shown = picture(live={ADS: (running("i", minutes=1, progress=None), waiting)})
    assert samples(shown, "stagewatch_instance_progress_ratio") == {}
    assert samples(shown, "stagewatch_instance_series_omitted") == {("warehouse",): 0}


def test_a_source_is_down_when_all_its_projects_are() -> None:
    """One project that answers keeps the source up; an unasked source counts as up."""
    down = Health(failing_since=AT, failures=3, down=True)
    fine = Health(swept_at=AT)
    assert samples(picture(), "stagewatch_source_up") == {("warehouse",): 1}
    assert samples(picture(health={ADS: down, LOGS: fine}), "stagewatch_source_up") == {("warehouse",): 1}
    assert samples(picture(health={ADS: down, LOGS: down}), "stagewatch_source_up") == {("warehouse",): 0}


def test_data_age_counts_from_the_last_whole_listing_or_the_start() -> None:
    """A project that was never listed grows old from the start on, so that an alert can see it."""
    ages = samples(
        picture(health={ADS: Health(swept_at=AT - timedelta(seconds=7))}), "stagewatch_source_data_age_seconds"
    )
    assert ages == {ADS: 7, LOGS: 300}


def test_a_clock_set_back_makes_no_negative_age() -> None:
    """The youngest that data can be is 0 seconds."""
    ages = samples(
        picture(health={ADS: Health(swept_at=AT + timedelta(hours=1))}), "stagewatch_source_data_age_seconds"
    )
    assert ages[ADS] == 0


def test_the_outbox_shows_every_channel_and_the_oldest_of_all() -> None:
    """A channel with nothing waiting shows 0; the age is that of the oldest delivery of any channel."""
    depths = (
        OutboxDepth("ops", 3, AT - timedelta(seconds=40)),
        OutboxDepth("left-over", 1, AT - timedelta(seconds=90)),
        OutboxDepth("odd", 0, None),
    )
    shown = picture(channels=("ops", "quiet"), depths=depths)
    assert samples(shown, "stagewatch_outbox_pending") == {("ops",): 3, ("quiet",): 0, ("left-over",): 1, ("odd",): 0}
    assert samples(shown, "stagewatch_outbox_oldest_age_seconds") == {(): 90}
    assert samples(picture(), "stagewatch_outbox_oldest_age_seconds") == {(): 0}


def test_an_unknown_outbox_is_absent() -> None:
    """A storage that does not answer makes no zeros."""
    names = {family.name for family in picture(channels=("ops",), depths=None).collect()}
    assert not {name for name in names if "outbox" in name}


def test_the_daemon_tells_about_itself() -> None:
    """Feed, loop, configuration, size and version as they were handed in."""
    shown = picture(
        feed_clients=2, feed_messages=9, feed_closed={"slow": 1}, loop_lag=0.25, reload_ok=False, exposition_bytes=77
    )
    assert samples(shown, "stagewatch_feed_clients") == {(): 2}
    assert samples(shown, "stagewatch_feed_messages_total") == {(): 9}
    assert samples(shown, "stagewatch_feed_closed_total") == {("slow",): 1}
    assert samples(shown, "stagewatch_loop_lag_seconds") == {(): 0.25}
    assert samples(shown, "stagewatch_config_last_reload_successful") == {(): 0}
    assert samples(shown, "stagewatch_config_last_reload_success_timestamp_seconds") == {(): AT.timestamp()}
    assert samples(shown, "stagewatch_exposition_size_bytes") == {(): 77}
    assert samples(shown, "stagewatch_build_info") == {("0.1.0",): 1}


def test_what_nobody_asks_is_neither_up_nor_old() -> None:
    """A source that is only heard of has instances, and no listing whose age could alarm anybody."""
    place = ("private", "p1")
    sources = {"sources": ("warehouse", "private"), "heard": frozenset({"private"})}
    of = picture(**sources, configured=(ADS, place), places=(ADS, place), counts={(*place, Phase.RUNNING): 2})
    assert samples(of, "stagewatch_instances")["private", "p1", "running"] == 2
    assert samples(of, "stagewatch_source_up").keys() == {("warehouse",)}
    assert samples(of, "stagewatch_source_data_age_seconds").keys() == {ADS}
