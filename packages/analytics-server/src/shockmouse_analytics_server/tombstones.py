"""Tombstones: what is remembered of an erased subject, so that its late events are dropped where they arrive.

Kept     a keyed hash of project and id for 30 days, as a row of ClickHouse that every node mirrors; never the id
Drops    events that happened up to the erasure, such as those of a client's offline store; what a person does later is
         new, and is told apart by its time
"""

import hashlib
import hmac
from typing import Literal

from msgspec import Struct

Kind = Literal["user", "device"]

KEEP_SECONDS = 30 * 24 * 3600.0


class Tombstone(Struct, frozen=True, kw_only=True, array_like=True):
    """One erased id; its events up to `at` are dropped, until the tombstone ends at `until`."""

    project: str
    subject_hash: str
    at: float
    until: float


def subject_hash(secret: bytes, project: str, kind: Kind, subject: str) -> str:
    """Return what stands for a user's or a device's id where the id itself must not be kept."""
    name = "\0".join((project, kind, subject))
    return hmac.new(secret, name.encode(), hashlib.sha256).hexdigest()


def make_tombstone(secret: bytes, project: str, kind: Kind, subject: str, now: float) -> Tombstone:
    hashed = subject_hash(secret, project, kind, subject)
    return Tombstone(project=project, subject_hash=hashed, at=now, until=now + KEEP_SECONDS)
