"""How large the proofs are that take long: small in `make test`, in full in `make soak`; and the seed of their chance.

`SOAK=1` makes them large; `SEED=n` repeats a run.
"""

import os
import secrets
from typing import TypeVar

SOAK = bool(os.environ.get("SOAK"))

T = TypeVar("T")


def sized(small: T, large: T) -> T:
    """What this run is to use."""
    return large if SOAK else small


def seed() -> int:
    """The seed of this run, printed so that a failure can be repeated: a new one for every soak."""
    number = int(os.environ.get("SEED") or (secrets.randbelow(10**6) if SOAK else 1))
    print(f"SEED={number}")
    return number
