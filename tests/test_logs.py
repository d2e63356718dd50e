"""What reaches stderr: one line an event, in three forms, and no secret in any of them."""

import io
import json
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import structlog

from monitor.core.model import Phase
from monitor.logs import LONGEST_TEXT, RENEWED_KEPT, Form, Mask, set_up
from monitor.section import Secret
from tests.engine.scripted import key

SECRET = 'pa"ss/w0rd+=\\x'
FORMS: tuple[Form, ...] = ("logfmt", "json", "console")

Written = Callable[[], str]


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> Form:
    return request.param


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Logging is the process's: give it back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def written(form: Form) -> Written:
    return logging_to(form)


def logging_to(form: Form, level: str = "info") -> Written:
    to = io.StringIO()
    set_up(level=level, form=form, mask=Mask([Secret(SECRET), Secret("abc")]), to=to)
    return to.getvalue


def log() -> structlog.typing.FilteringBoundLogger:
    return structlog.get_logger()


def test_an_event_has_its_time_level_and_fields(written: Written, form: Form) -> None:
    """Whoever logs gives a name and fields; time and level are added."""
    log().warning("source_down", source="s", reason="timeout", tries=3, phase=Phase.FAILED)
    line = written()
    assert line.endswith("\n")
    assert line.count("\n") == 1
    if form == "json":
        event = json.loads(line)
        assert event.pop("timestamp").endswith("Z")
        assert event == {
            "event": "source_down",
            "level": "warning",
            "source": "s",
            "reason": "timeout",
            "tries": 3,
            "phase": "failed",
        }
    else:
        for part in ("source_down", "warning", "reason=timeout", "tries=3", "phase=failed"):
            assert part in line


def test_what_libraries_log_goes_the_same_way(written: Written, form: Form) -> None:
    """A record of the standard library has the same form, with its arguments filled in and masked."""
    logging.getLogger("some.library").error("cannot %s with %s", "connect", SECRET)
    line = written()
    assert line.count("\n") == 1
    assert "cannot connect with <secret>" in (json.loads(line)["event"] if form == "json" else line)


@pytest.mark.parametrize(
    "value",
    [
        SECRET,
        f"before {SECRET} after {SECRET}",
        f"https://me:{SECRET}@host.example/",
        "https://host.example/?key=pa%22ss%2Fw0rd%2B%3D%5Cx",
        [SECRET],
        {"deep": [{"deeper": (SECRET,)}]},
        {SECRET: 1},
        ValueError(SECRET),
        key(SECRET),
        b"bytes " + SECRET.encode(),
        Secret(SECRET),
    ],
    ids=repr,
)
def test_known_secrets_are_masked_wherever_they_are(written: Written, value: object) -> None:
    """In texts, containers, keys of mappings, exceptions and objects; also as part of an address."""
    log().info("event", value=value)
    log().info(f"in the name: {value}")
    for part in (SECRET, "w0rd"):
        assert part not in written()
    assert "<secret>" in written()


def test_a_secret_in_a_traceback_is_masked(written: Written, form: Form) -> None:
    """Of ours and of libraries: the traceback is there, the secret is not."""

    def connect(password: str) -> None:
        raise ConnectionError(f"refused: {password}")

    try:
        connect(SECRET)
    except ConnectionError:
        log().exception("crashed")
        logging.getLogger("some.library").exception("crashed there")
    text = written()
    assert text.count("ConnectionError: refused: <secret>") == 2
    assert text.count("Traceback") == 2
    assert "w0rd" not in text
    if form != "console":
        assert text.count("\n") == 2


@pytest.mark.parametrize(
    "text",
    [
        "http://logview.example/logview/?h=x&token=T0K3N-T0K3N&i=1",
        "GET /api?Security-Token=T0K3N-T0K3N HTTP/1.1",
        "curr_token=T0K3N-T0K3N",
        "Authorization: ODPS access-id:T0K3N-T0K3N",
        "{'Authorization': 'Bearer T0K3N-T0K3N'}",
        '{"AccessKeySecret": "T0K3N-T0K3N"}',
        "access_key=T0K3N-T0K3N; region=x",
        "Signature=T0K3N-T0K3N",
        "password = T0K3N-T0K3N",
    ],
)
def test_what_looks_like_a_token_is_masked(written: Written, text: str) -> None:
    """Addresses, headers and JSON that somebody logged, though nobody knows the token."""
    log().info("event", text=text)
    logging.getLogger("some.library").info(text)
    assert "T0K3N" not in written()
    assert written().count("<secret>") == 2


def test_harmless_words_stay() -> None:
    """Sentences about tokens, short values and keys of instances are not masked."""
    mask = Mask([Secret(SECRET), Secret("abc")])
    for text in (
        "unexpected token: name",
        "the abc of it",
        "warehouse/analytics/20160519101349613gzbzufck2",
        "no signature in the answer",
        "secret file /run/secrets/maxcompute is empty",
    ):
        assert mask.text(text) == text


def test_what_a_secret_is_renewed_to_is_masked(tmp_path: Path) -> None:
    """From the moment in which anybody has read it; the old one may be under way still. Also one that was learned
    later, and one that was read again before; an old one of ever so long ago is nothing worth."""
    (file := tmp_path / "token").write_text("old t0ken/1")
    secret = Secret.read({"file": str(file)}, {})
    mask = Mask()
    mask.learn([secret])
    for number in range(2, RENEWED_KEPT + 3):
        file.write_text(f"new t0ken/{number}")
        secret = secret.reread()
    assert mask.text("old t0ken/1, new t0ken/2, new t0ken/3.") == "<secret>, new t0ken/2, <secret>."
    assert mask.text(f"?token{secret.reveal()}&new%20t0ken%2F{RENEWED_KEPT + 2}") == "?token<secret>&<secret>"

    (other := tmp_path / "other").write_text("another-key")
    mask.learn([Secret.read({"file": str(other)}, {})])
    assert mask.text("another-key new t0ken/3") == "<secret> <secret>"


def test_secrets_are_learned_in_any_thread() -> None:
    """Files are read beside the loop, many at once: none is forgotten."""
    mask = Mask()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: mask.learn([Secret(f"secret-{number:03}")]), range(200)))
    assert mask.text(" ".join(f"secret-{number:03}" for number in range(200))) == " ".join(["<secret>"] * 200)


@pytest.mark.parametrize(
    "name",
    [
        "two\nlines",
        "two\r\nlines level=error event=forged",
        "\x1b[31mred\x1b[0m",
        "nul\0byte",
        "\u202eright to left\u202c",
        "line\u2028separator\x85next",
        'quoted "name" = \\ value',
    ],
    ids=ascii,
)
def test_a_name_cannot_forge_a_line(written: Written, form: Form, name: str) -> None:
    """Line ends, colours, NULs and marks of direction come out as words, on one line."""
    log().info("instance", name=name)
    log().info(name)
    text = written()
    assert len(text.splitlines()) == 2
    for character in "\r\0\u202e\u202c\u2028\x85":
        assert character not in text
    assert "\x1b" not in text
    if form == "json":
        first, second = (json.loads(line) for line in text.splitlines())
        assert first["name"] == second["event"]


def test_a_long_text_is_cut(written: Written) -> None:
    """Ten thousand characters are cut, with a mark; a traceback is not."""
    log().info("instance", name="x" * 10_000)
    assert LONGEST_TEXT <= len(written()) < LONGEST_TEXT + 200
    assert "x…" in written() or "x\\u2026" in written()


def test_masking_is_quick_for_long_texts() -> None:
    """A quarter of a megabyte of what almost looks like a token takes no second."""
    mask = Mask([Secret(SECRET)])
    for text in ("token" * 50_000, "a" * 250_000, 'authorization: "' * 15_000, "token = = " * 25_000):
        began = time.perf_counter()
        mask.text(text)
        assert time.perf_counter() - began < 2


def test_levels_hold_for_everybody() -> None:
    """Below the level nothing is written, and access lines only as warnings."""
    written = logging_to("logfmt", "warning")
    log().info("quiet")
    logging.getLogger("some.library").info("quiet")
    assert written() == ""
    written = logging_to("logfmt", "debug")
    logging.getLogger("aiohttp.access").info("GET / 200")
    assert written() == ""
    log().debug("loud")
    assert "loud" in written()


def test_setting_up_twice_writes_once() -> None:
    """A second call replaces the first: no line is doubled."""
    first, second = logging_to("logfmt"), logging_to("json")
    log().info("once")
    logging.getLogger("some.library").info("once")
    assert first() == ""
    assert [json.loads(line)["event"] for line in second().splitlines()] == ["once", "once"]
