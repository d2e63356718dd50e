"""The listing of queued and running instances: its elements, odd ones among them."""

import json
from base64 import b64encode
from datetime import UTC, datetime
from email.header import Header
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.events import Seen
from monitor.core.model import InstanceKey, Phase, Queue
from monitor.sources.base import Reason, SourceError
from monitor.sources.maxcompute.queueing import observe, read_entries, read_start_time

ID = "20250124073421123gabc0def1"
AT = datetime(2025, 1, 24, 8, tzinfo=UTC)
STARTED = datetime(2025, 1, 24, 7, 34, 21, tzinfo=UTC)
KEY = InstanceKey("warehouse", "analytics", ID)

ELEMENT: dict[str, Any] = {
    "instanceId": ID,
    "projectName": "analytics",
    "userAccount": "ALIYUN$me@example.test",
    "status": "Running",
    "subStatus": {"start_time": "2025-01-24 15:34:25 +0800", "code": 1010, "description": "Waiting for scheduling"},
    "subStatusHistory": [{"start_time": "2025-01-24 15:34:21 +0800", "code": 1000, "description": "Submitted"}],
    "instancePriority": 9,
    "instanceProgress": 0.4,
    "instanceProcess": 0.4,
    "startTime": "2025-01-24 15:34:21 +0800",
    "taskType": "SQL",
    "taskName": "AnonymousSQLTask",
    "jobName": "nightly",
    "skynetId": "",
    "waitPos": 3,
    "queueLength": 12,
    "cpuUsage": 100,
}


def said(**changes: Any) -> Seen:
    """What an element says; changes of `...` remove a key."""
    element = {key: value for key, value in {**ELEMENT, **changes}.items() if value is not ...}
    (entry,) = read_entries(json.dumps([element])).entries
    status = entry.status.lower()
    return observe(entry, status, key=KEY, created_at=read_start_time(entry.start_time), at=AT)


def test_a_whole_element() -> None:
    """Phase, progress, queue, name, owner and time of submission in one observation."""
    assert said() == Seen(
        key=KEY,
        at=AT,
        kind="maxcompute",
        phase=Phase.WAITING,
        native_status="Running",
        name="nightly",
        owner="ALIYUN$me@example.test",
        created_at=STARTED,
        progress=0.4,
        queue=Queue(3, 12, "Waiting for scheduling"),
    )


@pytest.mark.parametrize(
    ("changes", "phase"),
    [
        ({"waitPos": 0}, Phase.WAITING),
        ({"waitPos": 1, "subStatus": None}, Phase.WAITING),
        ({"waitPos": 0, "subStatus": {}}, Phase.RUNNING),
        ({"waitPos": ..., "subStatus": ...}, Phase.RUNNING),
        ({"waitPos": 0, "subStatus": {"description": "Running jobs"}}, Phase.RUNNING),
        ({"status": "Suspended"}, Phase.SUSPENDED),
        ({"status": "Unknown"}, None),
        ({"status": ...}, None),
    ],
)
def test_phases(changes: dict[str, Any], phase: Phase | None) -> None:
    """Queued is told from working by the sub-status and the position; an unknown word tells no phase."""
    assert said(**changes).phase is phase


def test_a_lingering_element_has_ended() -> None:
    """`Terminated` says that it is over and not how."""
    seen = said(status="Terminated")
    assert (seen.phase, seen.ended, seen.native_status) == (None, True, "Terminated")


@pytest.mark.parametrize(
    ("changes", "progress"),
    [
        ({"instanceProgress": ...}, 0.4),
        ({"instanceProcess": 0.1}, 0.4),
        ({"instanceProgress": 0, "instanceProcess": 0.5}, 0.0),
        ({"instanceProgress": -1, "instanceProcess": ...}, None),
        ({"instanceProgress": 1.5}, 1.0),
        ({"instanceProgress": None, "instanceProcess": None}, None),
    ],
)
def test_progress(changes: dict[str, Any], progress: float | None) -> None:
    """Either spelling, a fraction of one; a negative one means none."""
    assert said(**changes).progress == progress


@pytest.mark.parametrize(
    ("changes", "queue"),
    [
        ({"waitPos": ..., "queueLength": ..., "subStatus": ...}, None),
        ({"waitPos": -1, "queueLength": 2**60}, Queue(None, None, "Waiting for scheduling")),
        ({"status": "Suspended", "waitPos": 0, "subStatus": {"description": None}}, Queue(0, 12, "")),
        ({"waitPos": 0, "subStatus": {"description": None}}, None),
    ],
)
def test_queue(changes: dict[str, Any], queue: Queue | None) -> None:
    """No word of the queue is no queue, and what runs stands in none; absurd numbers are unknown."""
    assert said(**changes).queue == queue


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2025-01-24 15:34:21 +0800", STARTED),
        ("2025-01-24 15:34:21+0800", STARTED),
        ("2025-01-24 15:34:21.000000+0800", STARTED),
        ("2025-01-24 15:34:21.250000+08:00", STARTED.replace(microsecond=250_000)),
        ("2025-01-24 02:34:21 -0500", STARTED),
        ("2025-01-24 15:34:21", None),
        ("2025-13-24 15:34:21 +0800", None),
        ("2025-01-24 15:34:21 +9900", None),
        ("0001-01-01 00:00:00 +0800", None),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_start_times(text: str | None, moment: datetime | None) -> None:
    """All forms that were observed; without a zone, or odd, it tells no moment."""
    assert read_start_time(text) == moment


def test_names_of_any_size_and_content() -> None:
    """A job name is kept as text, cut with a mark where it is too long."""
    hostile = "<script>'\"\n\u202e\u0000"
    assert said(jobName=hostile).name == hostile
    assert len(said(jobName="x" * 10_000).name) == 256


# --- the array ------------------------------------------------------------------------------------------------------


def test_the_rest_of_the_page_is_used() -> None:
    """Elements that are wrong are left out and counted; of those whose id is readable the id is named."""
    elements = [
        ELEMENT,
        "not an object",
        {"instanceId": 5},
        {"status": "Running"},
        {"instanceId": "named", "subStatus": "odd"},
        {"instanceId": "../x", "subStatus": "odd"},
        {**ELEMENT, "instanceId": "second"},
    ]
    read = read_entries(json.dumps(elements))
    assert [entry.instance_id for entry in read.entries] == [ID, "second"]
    assert read.named == ("named",)
    assert read.skipped == 5


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("nightly \\ud83d", "nightly \ufffd"),
        ("\\ude00 nightly", "\ufffd nightly"),
        ("\\ud83d\\ud83d\\ude00", "\ufffd\U0001f600"),
        ("\\ud83d\\ude00\\\\ud83d", "\U0001f600\\ud83d"),
    ],
)
def test_a_character_cut_in_two(written: str, name: str) -> None:
    """Half a character in one job name, as left by a cut at a fixed length, costs that character and nothing more."""
    read = read_entries(f'[{{"instanceId":"a","jobName":"{written}","waitPos":"0"}},{{"instanceId":"b"}}]')
    assert [entry.job_name for entry in read.entries] == [name, None]


def test_numbers_in_quotes_are_numbers() -> None:
    """What is meant is plain, so the element is used."""
    read = read_entries(json.dumps([{**ELEMENT, "waitPos": "3", "instanceProgress": "0.4"}]))
    assert read.entries == [read_entries(json.dumps([ELEMENT])).entries[0]]
    assert read.skipped == 0


def test_what_we_do_not_read_makes_no_difference() -> None:
    """Entries that differ in fields we have no use for are equal."""
    one, two = read_entries(json.dumps([ELEMENT, {**ELEMENT, "cpuUsage": 900, "new": [1]}])).entries
    assert one == two


@pytest.mark.parametrize("charset", ["utf-8", "gbk"])
def test_an_encoded_word(charset: str) -> None:
    """RFC 2047: the array in Base64, with the name of its character set."""
    content = json.dumps([{**ELEMENT, "jobName": "每日"}], ensure_ascii=False)
    word = f"=?{charset}?b?{b64encode(content.encode(charset)).decode()}?="
    assert read_entries(word).entries[0].job_name == "每日"


def test_encoded_words_in_a_row() -> None:
    """A long text is folded into several words."""
    folded = Header(json.dumps([ELEMENT]), "utf-8").encode()
    assert folded.count("=?") > 1
    assert read_entries(folded).entries[0].instance_id == ID


def test_empty_arrays() -> None:
    """Nothing is live: an empty page, not an error."""
    assert read_entries(" [] ").entries == []


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "null",
        "[",
        '[{"instanceId":"a"},',
        "[" * 100_000,
        '[{"instanceId":"a","x":' + "[" * 100_000,
        "=?made-up?b?W10=?=",
        "=?utf-8?b?A?=",
        "=?utf-8?b?/w==?=",
        "[NaN]",
        '[{"instanceId":"\\ud800"}]x',
    ],
)
def test_no_array_is_malformed(content: str) -> None:
    """Where there is no array nothing is believed."""
    with pytest.raises(SourceError) as caught:
        read_entries(content)
    assert caught.value.reason is Reason.MALFORMED


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(ELEMENT)), JSON))
def test_any_value_in_any_field(changes: dict[str, Any]) -> None:
    """Whatever an element holds, it is read or left out; its observation has no odd number in it."""
    read = read_entries(json.dumps([{**ELEMENT, **changes}]))
    assert len(read.entries) + read.skipped == 1
    for entry in read.entries:
        seen = observe(entry, entry.status.lower(), key=KEY, created_at=None, at=AT)
        assert seen.progress is None or 0 <= seen.progress <= 1
        assert seen.queue is None or (seen.queue.position or 0) < 2**53


@given(st.text())
def test_any_text(content: str) -> None:
    """Any text is an array or malformed."""
    assert reason(content) in {None, Reason.MALFORMED}


def reason(content: str) -> Reason | None:
    """Why it was refused, or None of an array."""
    try:
        read_entries(content)
    except SourceError as error:
        return error.reason
    return None
