"""Credentials that somebody else renews: read again from their files when the service no longer takes them.

A token that a vault or a side-car writes lives for an hour, the daemon for months.
"""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

import structlog
from msgspec import Struct
from msgspec.structs import fields, replace

from monitor.section import Secret

READ_EVERY = 5.0  # seconds between two readings, however many requests are refused meanwhile

log = structlog.get_logger()


A = TypeVar("A", bound=Struct)  # who asks: some of its fields are secrets
S = TypeVar("S")


class Credentials(Generic[A, S]):
    """The account as it was read last, and the signer that `make` made of it. `clock` tells seconds.

    `hidden` is what no message may hold: `secrets` of this account and of the one before, whose requests may still be
    under way.
    """

    def __init__(
        self,
        source: str,
        account: A,
        *,
        make: Callable[[A], S],
        secrets: Callable[[A], tuple[str, ...]],
        clock: Callable[[], float],
    ) -> None:
        self.account = account
        self.signer = make(account)
        self.hidden = secrets(account)
        self._source = source
        self._make = make
        self._secrets = secrets
        self._clock = clock
        self._again_at = clock()
        self._reading = asyncio.Lock()

    async def renew(self, refused: S) -> bool:
        """The service did not take what the signer `refused` signed. Whether there is another one by now, so that the
        request is worth another try. A file that cannot be read leaves everything as it is."""
        async with self._reading:
            if self.signer is not refused:
                return True
            if self._clock() < self._again_at:
                return False
            self._again_at = self._clock() + READ_EVERY
            account = await asyncio.to_thread(read_again, self.account)
            if account is self.account:
                return False
            self.hidden = self._secrets(account) + self._secrets(self.account)
            self.account, self.signer = account, self._make(account)
        log.info("credentials_renewed", source=self._source)
        return True


def read_again(account: A) -> A:
    """The account with the secrets that its files hold now; the same one where they hold the same."""
    changed = {
        field.name: now
        for field in fields(account)
        if isinstance(was := getattr(account, field.name), Secret) and (now := was.reread()).reveal() != was.reveal()
    }
    return replace(account, **changed) if changed else account
