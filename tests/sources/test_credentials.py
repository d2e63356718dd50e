"""Secrets that somebody else renews."""

import asyncio
from pathlib import Path

import pytest
from msgspec import Struct
from structlog.testing import capture_logs

from monitor.section import Secret
from monitor.sources.credentials import READ_EVERY, Credentials, read_again


class Account(Struct, frozen=True):
    """One that is partly secret."""

    name: str
    key: Secret
    token: Secret | None = None

    def secrets(self) -> tuple[str, ...]:
        return tuple(secret.reveal() for secret in (self.key, self.token) if secret)


class Clock:
    """Seconds that pass when a test says so."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a token stands."""
    file = tmp_path / "token"
    put(file, "old")
    return file


def put(file: Path, text: str | None) -> None:
    """Write it as a side-car would; without text, take the file away."""
    file.unlink(missing_ok=True)
    if text is not None:
        file.write_text(text)


def held(file: Path, clock: Clock) -> Credentials[Account, list[str]]:
    account = Account("me", Secret("key"), Secret.read({"file": str(file)}, {}))
    return Credentials("warehouse", account, make=lambda one: list(one.secrets()), secrets=Account.secrets, clock=clock)


@pytest.mark.asyncio
async def test_a_renewed_token_is_read_when_the_old_one_is_refused(file: Path) -> None:
    """A new signer signs with it, and no message may hold either; the log says so without the secret."""
    it = held(file, Clock())
    old = it.signer
    put(file, "new")
    with capture_logs() as logs:
        assert await it.renew(old)
    assert (it.account.name, it.signer) == ("me", ["key", "new"])
    assert set(it.hidden) == {"key", "old", "new"}
    assert [(entry["event"], entry["source"]) for entry in logs] == [("credentials_renewed", "warehouse")]
    assert "new" not in str([entry for entry in logs if entry.pop("event")])


@pytest.mark.asyncio
async def test_a_token_that_nobody_renewed_is_not_tried_again(file: Path) -> None:
    """The same text in the file, or no file at all: the signer stays, and the refusal stands."""
    clock = Clock()
    it = held(file, clock)
    signer = it.signer
    assert not await it.renew(signer)
    put(file, None)
    clock.now += READ_EVERY
    assert not await it.renew(signer)
    assert it.signer is signer


@pytest.mark.asyncio
async def test_files_are_read_now_and_then(file: Path) -> None:
    """However many requests are refused, a file is read again only after a while."""
    clock = Clock()
    it = held(file, clock)
    assert not await it.renew(it.signer)
    put(file, "new")
    assert not await it.renew(it.signer)
    clock.now += READ_EVERY - 0.1
    assert not await it.renew(it.signer)
    clock.now += 0.1
    assert await it.renew(it.signer)
    assert it.account.token is not None
    assert it.account.token.reveal() == "new"


@pytest.mark.asyncio
async def test_requests_that_are_refused_together_share_one_reading(file: Path) -> None:
    """Each of them learns that there is a new signer, also those whose refusal comes later."""
    it = held(file, Clock())
    old = it.signer
    put(file, "new")
    async with asyncio.TaskGroup() as requests:
        told = [requests.create_task(it.renew(old)) for _ in range(5)]
    assert [one.result() for one in told] == [True] * 5
    assert await it.renew(old)
    assert not await it.renew(it.signer)


def test_an_account_without_files_stays_the_same() -> None:
    """There is nothing to read."""
    account = Account("me", Secret("key"))
    assert read_again(account) is account
