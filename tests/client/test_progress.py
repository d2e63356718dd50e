"""Progress text as a value."""

import doctest

import pytest

import monitor.client.progress
from monitor.client import Progress

SEED = "20160519101349613gzbzufck2 2016-05-19 18:14:03 M1_Stg1_job0:0/1/1[100%]\tR2_1_Stg1_job0:1/0/3(+1 backups)[0%]"


def test_the_line_of_the_manual() -> None:
    """Its instance, its time and its stages."""
    progress = Progress.parse(SEED)
    assert (progress.instance, progress.time) == ("20160519101349613gzbzufck2", "2016-05-19 18:14:03")
    first, second = progress.stages
    assert (first.name, first.running, first.terminated, first.total, first.percent) == ("M1_Stg1_job0", 0, 1, 1, 100)
    assert (second.running, second.total, second.backups) == (1, 3, 1)
    assert progress.ratio == 0.25
    assert progress.malformed == 0
    assert str(progress) == SEED.split(" ", 3)[3]


def test_the_newest_line_counts() -> None:
    """Output of several looks ends with the newest; what follows without progress changes nothing."""
    progress = Progress.parse("M1:1/0/2[0%]\nM1:0/2/2[100%]\r\nOK\n")
    assert str(progress) == "M1:0/2/2[100%]"


@pytest.mark.parametrize("text", ["", "no progress here", "\n\n", "http://host/1/2/3"])
def test_text_without_progress(text: str) -> None:
    """It is false, has no stages, and its ratio is not known."""
    progress = Progress.parse(text)
    assert not progress
    assert (progress.stages, progress.ratio, progress.malformed) == ((), None, 0)


def test_malformed_words_are_counted() -> None:
    """And never guessed at."""
    progress = Progress.parse("M1:0/1/1[100%] R2:1/x/3[0%]")
    assert [stage.name for stage in progress.stages] == ["M1"]
    assert progress.malformed == 1


def test_the_example() -> None:
    """The docstring's own example is true."""
    assert doctest.testmod(monitor.client.progress).failed == 0
