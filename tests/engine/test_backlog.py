"""Leads and checkpoints: no crash forgets a lead, and no lead stops the clock of the listings."""

from hypothesis import given
from hypothesis import strategies as st

from monitor.core.model import InstanceKey
from monitor.engine.backlog import Backlog
from tests.engine.scripted import key, moment


def keys(*names: str) -> set[InstanceKey]:
    return {key(name) for name in names}


def test_a_listing_without_leads_moves_the_checkpoint() -> None:
    """Told once; a later listing that reaches no farther tells nothing."""
    backlog = Backlog(moment(0))
    backlog.add(moment(30), ())
    assert backlog.checkpoint() == moment(30)
    assert backlog.checkpoint() is None
    backlog.add(moment(30), ())
    assert backlog.checkpoint() is None


def test_the_checkpoint_waits_for_all_leads_of_a_listing() -> None:
    """With one of two answered it stays; with both it moves to where the listing ended."""
    backlog = Backlog(moment(0))
    backlog.add(moment(30), keys("a", "b"))
    backlog.answer(key("a"))
    assert backlog.checkpoint() is None
    assert key("a") not in backlog
    assert key("b") in backlog
    backlog.answer(key("b"))
    assert backlog.checkpoint() == moment(30)


def test_later_listings_wait_for_earlier_leads() -> None:
    """A lead of the first listing holds back what came after it, while the listings themselves go on."""
    backlog = Backlog(moment(0))
    backlog.add(moment(30), keys("a"))
    backlog.add(moment(60), keys("a", "b"))
    backlog.add(moment(90), ())
    assert backlog.listed_upto == moment(90)
    backlog.answer(key("b"))
    assert backlog.checkpoint() is None
    backlog.answer(key("a"))
    assert backlog.checkpoint() == moment(90)


def test_a_listing_that_overtook_another_does_not_turn_back() -> None:
    """Two listings at once, the older ending last: the checkpoint never falls."""
    backlog = Backlog(moment(0))
    backlog.add(moment(60), ())
    assert backlog.checkpoint() == moment(60)
    backlog.add(moment(30), keys("a"))
    backlog.answer(key("a"))
    assert backlog.checkpoint() is None
    assert backlog.listed_upto == moment(60)


def test_a_stubborn_lead_costs_no_memory() -> None:
    """A day of listings behind one open lead is kept as two."""
    backlog = Backlog(moment(0))
    backlog.add(moment(1), keys("stubborn"))
    for second in range(2, 2880):
        backlog.add(moment(second), keys(f"{second}"))
        backlog.answer(key(f"{second}"))
    assert len(backlog._passes) <= 2
    assert len(backlog._open) == 1


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=60))
def test_the_checkpoint_never_passes_an_open_lead(steps: list[tuple[bool, int]]) -> None:
    """Whatever the order of listings and answers: it never falls, and no lead found at or before it is open."""
    backlog = Backlog(moment(0))
    found: dict[InstanceKey, int] = {}
    told = moment(0)
    for second, (is_listing, number) in enumerate(steps, start=1):
        lead = key(f"{number}")
        if is_listing:
            found.setdefault(lead, second)
            backlog.add(moment(second), {lead})
        else:
            found.pop(lead, None)
            backlog.answer(lead)
        upto = backlog.checkpoint()
        if upto is not None:
            assert upto > told
            told = upto
        assert all(moment(at) > told for at in found.values())
        assert all(lead in backlog for lead in found)
