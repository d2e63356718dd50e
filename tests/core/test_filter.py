import pytest
from msgspec.structs import replace

from monitor.core.filter import Filter
from monitor.core.model import InstanceKey, Phase, Track

TRACK = Track(
    InstanceKey("warehouse", "analytics", "20160519101349613gzbzufck2"),
    "maxcompute",
    Phase.RUNNING,
    name="Nightly Straße",
    owner="ALIYUN$me@example.test",
)


@pytest.mark.parametrize(
    ("wanted", "matches"),
    [
        (Filter(), True),
        (Filter(source=frozenset({"warehouse", "render"})), True),
        (Filter(source=frozenset({"render"})), False),
        (Filter(project=frozenset({"analytics"})), True),
        (Filter(project=frozenset({"ads"})), False),
        (Filter(phase=frozenset({Phase.RUNNING, Phase.FAILED})), True),
        (Filter(phase=frozenset({Phase.FAILED})), False),
        (Filter(owner=frozenset({"ALIYUN$me@example.test"})), True),
        (Filter(owner=frozenset({"ALIYUN$"})), False),
        (Filter(key=frozenset({"warehouse/analytics/20160519101349613gzbzufck2"})), True),
        (Filter(key=frozenset({"warehouse/ads/20160519101349613gzbzufck2"})), False),
        (Filter(q="GZBZUF"), True),
        (Filter(q="nightly strasse"), True),
        (Filter(q="me@"), True),
        (Filter(q="analytics"), False),
        (Filter(source=frozenset({"warehouse"}), phase=frozenset({Phase.FAILED})), False),
        (Filter(project=frozenset({"analytics"}), q="me@"), True),
    ],
)
def test_all_fields_that_are_set_must_agree(wanted: Filter, *, matches: bool) -> None:
    """An empty field asks for all; `q` looks in id, name and owner, in any case."""
    assert wanted.matches(TRACK) is matches


@pytest.mark.parametrize("q", ["none", "me"])
def test_what_is_not_known_is_not_found(q: str) -> None:
    """An instance without a name or owner is found by its id alone."""
    nameless = replace(TRACK, name="", owner="")
    assert not Filter(q=q).matches(nameless)
    assert Filter(q="gzbz").matches(nameless)
