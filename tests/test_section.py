import copy
import json
import pickle
import traceback
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from monitor.section import Secret, Section, Span, read_span

VALUE = "correct-horse-battery"


class Account(Section):
    """A section like any driver's."""

    user: str
    key: Secret
    every: Span = timedelta(seconds=10)


def account(key: Any = VALUE, env: dict[str, str] | None = None, **others: Any) -> Account:
    return Account.model_validate({"user": "me", "key": key, **others}, context={"env": env or {}})


def faults(key: Any, **others: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        account(key, **others)
    return str(refused.value)


# --- sections -----------------------------------------------------------------------------------------------------


def test_an_unknown_key_is_an_error() -> None:
    """A misspelt key is named instead of ignored."""
    assert "evry" in faults(VALUE, evry="10s")


def test_a_section_does_not_change_after_reading() -> None:
    """What was checked stays as it was checked."""
    with pytest.raises(ValidationError, match="frozen"):
        account().user = "another"


# --- secrets ------------------------------------------------------------------------------------------------------


def test_a_secret_reveals_itself_only_when_asked() -> None:
    """The value comes out of `reveal` and of nothing else that prints."""
    section = account()
    assert section.key.reveal() == VALUE
    printed = [
        repr(section.key),
        str(section.key),
        f"{section.key} {section.key!r} {section.key!s}",
        "%s %r" % (section.key, section.key),  # noqa: UP031 - this way of formatting must not leak either
        repr(section),
        str(section),
        repr(section.model_dump()),
        repr(section.model_dump(mode="json")),
        section.model_dump_json(),
        repr([section.key]),
        str(vars(section)),
    ]
    assert not [text for text in printed if VALUE in text]
    assert json.loads(section.model_dump_json())["key"] == "<secret>"


@pytest.mark.parametrize(
    "key",
    [
        {"env": "NAME", "or": VALUE},
        {"file": VALUE, "env": VALUE},
        [VALUE],
        {"value": VALUE},
        {VALUE: "env"},
        b"correct-horse-battery",
    ],
)
def test_a_malformed_secret_is_not_repeated(key: Any) -> None:
    """The error says how a secret is written, and not what stood there."""
    said = faults(key)
    assert "write the secret as text, as {env: NAME} or as {file: PATH}" in said
    assert VALUE not in said


def test_a_fault_elsewhere_does_not_print_the_secret() -> None:
    """Neither the error of another key nor its traceback shows the section's secret."""
    with pytest.raises(ValidationError) as refused:
        account(VALUE, every="soon", unknown=VALUE)
    assert VALUE not in "".join(traceback.format_exception(refused.value))
    assert VALUE not in repr(refused.value)
    assert VALUE not in refused.value.json(include_input=False)


def test_a_secret_comes_from_the_environment_that_was_given() -> None:
    """The environment is an input of reading, never asked for behind the back."""
    assert account({"env": "STAGEWATCH_KEY"}, env={"STAGEWATCH_KEY": VALUE}).key.reveal() == VALUE


@pytest.mark.parametrize("env", [{}, {"STAGEWATCH_KEY": ""}])
def test_a_variable_that_is_not_set_is_named(env: dict[str, str]) -> None:
    """An unset or empty variable is an error that names it."""
    assert "environment variable STAGEWATCH_KEY is not set" in faults({"env": "STAGEWATCH_KEY"}, env=env)


def test_without_an_environment_nothing_is_set() -> None:
    """A model read without context finds no variables, and says so."""
    with pytest.raises(ValidationError, match="environment variable HOME is not set"):
        Account.model_validate({"user": "me", "key": {"env": "HOME"}})


@pytest.mark.parametrize("written", [VALUE, f"{VALUE}\n", f"  {VALUE}\r\n", f"\ufeff{VALUE}\n"])
def test_a_secret_file_holds_the_secret_alone(tmp_path: Path, written: str) -> None:
    """Line ends, blanks around it and a byte order mark are not part of the secret."""
    file = tmp_path / "key"
    file.write_bytes(written.encode())
    assert account({"file": str(file)}).key.reveal() == VALUE


@pytest.mark.parametrize(
    ("written", "why"), [(b"", "is empty"), (b" \n", "is empty"), (b"\xff\xfe\x00", "it is not UTF-8 text")]
)
def test_a_secret_file_that_holds_none_is_named(tmp_path: Path, written: bytes, why: str) -> None:
    """An empty or binary file is an error that names the file."""
    file = tmp_path / "key"
    file.write_bytes(written)
    said = faults({"file": str(file)})
    assert str(file) in said
    assert why in said


def test_a_secret_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A missing file and a directory are errors that name it and say why."""
    assert f"cannot read secret file {tmp_path / 'none'}: No such file" in faults({"file": str(tmp_path / "none")})
    assert f"cannot read secret file {tmp_path}: Is a directory" in faults({"file": str(tmp_path)})


@pytest.mark.parametrize("key", ["", None, 12345, 1.5, True, {}, {"env": 7}, {"file": None}])
def test_what_is_no_secret_is_refused(key: Any) -> None:
    """A secret is text; a number in YAML has lost its leading zeros already."""
    assert "write the secret as text" in faults(key)


def test_secrets_are_equal_by_value() -> None:
    """Two configurations with the same secret are equal, so that a reload sees what changed."""
    assert account() == account()
    assert account() != account("another")
    assert Secret(VALUE) != VALUE
    assert len({Secret(VALUE), Secret(VALUE)}) == 1


def test_secrets_of_one_file_are_equal(tmp_path: Path) -> None:
    """A token that was renewed is no change of the configuration: whoever uses it reads it again."""
    file, other = tmp_path / "token", tmp_path / "other"
    file.write_text("old-token")
    other.write_text("old-token")
    old = account({"file": str(file)})
    assert old != account({"file": str(other)})
    assert old != account("old-token")
    file.write_text("new-token\n")
    assert account({"file": str(file)}) == old
    assert len({account({"file": str(file)}).key, old.key}) == 1
    assert old.key.reveal() == "old-token"
    assert old.key.reread().reveal() == "new-token"
    assert old.key.reread().reread().reveal() == "new-token"


def test_whoever_listens_hears_of_every_renewal(tmp_path: Path) -> None:
    """Once of each value, also of one that was renewed before; a copy of the section has nobody that listens."""
    (file := tmp_path / "token").write_text("first")
    section, heard = account({"file": str(file)}), list[str]()
    section.key.listen(heard.append)
    assert section.key.reread() is section.key
    file.write_text("second")
    renewed = section.key.reread()
    assert renewed.reread() is renewed
    file.write_text("third")
    assert renewed.reread().reveal() == "third"
    copy.deepcopy(section).key.reread()
    assert heard == ["second", "third"]


@pytest.mark.parametrize("text", [None, "", "  \n", "two\nlines", "no\x00text"])
def test_a_file_that_holds_no_secret_now_leaves_the_old_one(tmp_path: Path, text: str | None) -> None:
    """It is deleted, empty or half-written at this moment: what was read before is used on."""
    file = tmp_path / "token"
    file.write_text("old-token")
    secret = account({"file": str(file)}).key
    file.unlink()
    if text is not None:
        file.write_text(text)
    assert secret.reread().reveal() == "old-token"


def test_what_is_from_no_file_stays() -> None:
    """A secret in the text or from the environment is what it was."""
    assert Secret(VALUE).reread().reveal() == VALUE


def test_a_copied_secret_is_a_secret() -> None:
    """A copy of a section keeps its secret, and keeps it from printing."""
    for section in (copy.deepcopy(account()), pickle.loads(pickle.dumps(account())), account().model_copy()):
        assert section.key.reveal() == VALUE
        assert VALUE not in repr(section)


# --- spans --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("10s", 10),
        ("1.5s", 1.5),
        ("250ms", 0.25),
        ("1ms", 0.001),
        ("5m", 300),
        ("2h", 7200),
        ("7d", 604800),
        ("1h30m", 5400),
        ("1d2h3m4s5ms", 93784.005),
        ("90m", 5400),
        ("0m1s", 1),
        (10, 10),
        (0.5, 0.5),
        (timedelta(minutes=1), 60),
    ],
)
def test_a_span_in_all_its_forms(written: Any, seconds: float) -> None:
    """Units from large to small, each at most once, or a plain number of seconds."""
    assert read_span(written) == timedelta(seconds=seconds)
    assert account(every=written).every == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "written",
    [
        "", " ", "10", "s", "10 s", "10s ", "-5s", "1.5m", "1,5s", "5M", "30s5m", "5m5m", "ten seconds", "1e3s",
        "10s\n", "٣s", "１０s",
        "0s", "0m", "0", 0, -1, 0.0, 1e-7, "0.0001s", timedelta(0), timedelta(seconds=-1),
        "1000000000s", "99999999999999999999d", 1e9, 1e300, float("inf"), float("nan"), timedelta.max,
        True, None, [], {}, b"10s",
    ],
)  # fmt: skip
def test_what_is_no_span_is_refused(written: Any) -> None:
    """Anything else is an error that shows the form; nothing is guessed and nothing is no span."""
    with pytest.raises(ValueError, match="write a span of time like 10s, 5m, 1h30m or 7d"):
        read_span(written)
    assert "every" in faults(VALUE, every=written)


@given(
    days=st.none() | st.integers(min_value=0, max_value=9999),
    hours=st.none() | st.integers(min_value=0, max_value=99),
    minutes=st.none() | st.integers(min_value=0, max_value=999),
    seconds=st.none() | st.integers(min_value=0, max_value=9999),
    milliseconds=st.none() | st.integers(min_value=0, max_value=9999),
)
def test_units_add_up(**units: int | None) -> None:
    """Any units in order make the span that they say, unless that is no time at all."""
    letters = {"days": "d", "hours": "h", "minutes": "m", "seconds": "s", "milliseconds": "ms"}
    written = "".join(f"{units[unit]}{letter}" for unit, letter in letters.items() if units[unit] is not None)
    span = timedelta(**{unit: number or 0 for unit, number in units.items()})
    if span:
        assert abs(read_span(written) - span) <= timedelta(microseconds=1)
    else:
        with pytest.raises(ValueError, match="at least 1ms"):
            read_span(written)


@given(
    st.none() | st.booleans() | st.text() | st.integers() | st.floats() | st.timedeltas() | st.text("0123456789dhms.")
)
def test_any_input_is_a_span_or_a_fault(written: Any) -> None:
    """Whatever YAML holds is read as a span of at least a millisecond, or refused with a ValueError."""
    with suppress(ValueError):
        assert timedelta(milliseconds=1) <= read_span(written) < timedelta(seconds=1e9)
