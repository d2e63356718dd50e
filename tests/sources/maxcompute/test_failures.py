"""The text of a failed task: its code, and who has to act."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.model import Category
from monitor.sources.maxcompute.failures import LONGEST_TEXT, read_failure, unread_failure

NESTED = """<?xml version="1.0"?><Error><Code>ODPS-0420095</Code>
<Message><![CDATA[Access Denied - Authorization Failed [4019]]]></Message><HostId>h</HostId></Error>"""


@pytest.mark.parametrize(
    ("text", "code", "category"),
    [
        ("ODPS-0130131:[1,15] Table not found - made_up", "ODPS-0130131", Category.CODE),
        ("FAILED: ODPS-0130071:[1,8] Semantic analysis exception - x", "ODPS-0130071", Category.CODE),
        ("FAILED: ODPS-0130161:[1,1] Parse exception - x", "ODPS-0130161", Category.CODE),
        ("ODPS-0130071: physical plan failed: ODPS-0121095:Invalid argument", "ODPS-0130071", Category.CODE),
        ("ODPS-0121095:Invalid arguments - format string", "ODPS-0121095", Category.DATA),
        ("ODPS-0121145:Data overflow", "ODPS-0121145", Category.DATA),
        ("ODPS-0123091:Illegal type cast - x", "ODPS-0123091", Category.DATA),
        ("ODPS-0121135:Malloc memory failed", "ODPS-0121135", Category.RESOURCES),
        ("FAILED: ODPS-0123144: Fuxi job failed - kInstanceMonitorTimeout", "ODPS-0123144", Category.RESOURCES),
        ("ODPS-0123131:User defined function exception - Traceback", "ODPS-0123131", Category.CODE),
        ("ODPS-0123055:Script exception - NullPointerException", "ODPS-0123055", Category.CODE),
        ("ODPS-0130013:Authorization exception - no privilege", "ODPS-0130013", Category.PERMISSION),
        ("ODPS-0110011:Authorization exception", "ODPS-0110011", Category.PERMISSION),
        ("ODPS-0420095: Access Denied", "ODPS-0420095", Category.PERMISSION),
        ("ODPS-0410042:Invalid signature value", "ODPS-0410042", Category.PERMISSION),
        ("ODPS-0010000:System internal error - WorkerPackageNotExist", "ODPS-0010000", Category.SYSTEM),
        ("ODPS-0010000:System internal error - SigKill(OOM), out of memory", "ODPS-0010000", Category.RESOURCES),
        ("ODPS-0430055: InternalConnection error", "ODPS-0430055", Category.SYSTEM),
        ("ODPS_0410077: made up", "ODPS-0410077", Category.SYSTEM),
        ("ODPS-1800001:made up", "ODPS-1800001", Category.SYSTEM),
        ("ODPS-1820001:made up", "ODPS-1820001", Category.PERMISSION),
        ("ODPS-1830001:made up", "ODPS-1830001", Category.RESOURCES),
        ("ODPS-1850001:made up", "ODPS-1850001", Category.CODE),
        ("ODPS-1860001:made up", "ODPS-1860001", Category.RESOURCES),
        ("ODPS-9999999:made up", "ODPS-9999999", Category.UNKNOWN),
        ("Traceback (most recent call last): MemoryError: out of memory", "", Category.RESOURCES),
        ("java.security.AccessControlException: made up", "", Category.PERMISSION),
        ("something went wrong", "", Category.UNKNOWN),
        (NESTED, "ODPS-0420095", Category.PERMISSION),
        ("<Error><Code>Internal</Code><Message>ODPS-0010000:x</Message></Error>", "ODPS-0010000", Category.SYSTEM),
        ("<Error><Code>ParseError</Code><Message>made up</Message></Error>", "ParseError", Category.UNKNOWN),
        ("<Error><Code>Unfinished", "", Category.UNKNOWN),
        ("ODPS-013013", "", Category.UNKNOWN),
        ("ODPS-01301310", "", Category.UNKNOWN),
    ],
)  # fmt: skip
def test_codes_and_who_has_to_act(text: str, code: str, category: Category) -> None:
    """The first code in the text is the failure's, and the table says whose turn it is."""
    failure = read_failure("AnonymousSQLTask", text)
    assert (failure.task, failure.code, failure.category) == ("AnonymousSQLTask", code, category)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (" FAILED: ODPS-0130131:[1,15] Table not found - x\n", "ODPS-0130131:[1,15] Table not found - x"),
        ("line one\nline two", "line one\nline two"),
        (NESTED, "Access Denied - Authorization Failed [4019]"),
        ("", "the service left no text about this failure"),
        ("FAILED: ", "the service left no text about this failure"),
        ("<Error><Code>Unfinished", "<Error><Code>Unfinished"),
    ],
)
def test_the_message_is_the_services(text: str, message: str) -> None:
    """Only the prefix and surrounding space go; a document inside gives its message; no text is said to be none."""
    assert read_failure("T", text).message == message


def test_a_long_text_is_cut_with_a_mark() -> None:
    """A stack trace of a megabyte fits an alert afterwards; its code is in its beginning."""
    failure = read_failure("T" * 10_000, "ODPS-0123131:x\n" + "at made.up.Line\n" * 100_000)
    assert len(failure.message) == LONGEST_TEXT
    assert failure.message.endswith("…")
    assert failure.code == "ODPS-0123131"
    assert len(failure.task) == 256


def test_a_text_that_could_not_be_had() -> None:
    """The failure is still told, with why its text is not."""
    failure = unread_failure("T", "results refused: NoPermission")
    assert failure.message == "the failure text could not be read: results refused: NoPermission"
    assert (failure.code, failure.category) == ("", Category.UNKNOWN)


@given(st.text() | st.from_regex(r"(FAILED: )?<?Error>?ODPS-[0-9]{6,8}[^a]*"))
def test_any_text(text: str) -> None:
    """Any text is a failure with a message."""
    failure = read_failure("T", text)
    assert failure.message
    assert len(failure.message) <= LONGEST_TEXT
