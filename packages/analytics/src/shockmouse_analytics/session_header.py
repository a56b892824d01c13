"""The header that joins the events on both sides of a request to one session of one device.

Shockmouse-Session: 01;s=<session id>;d=<device id>

`01` is the version. Ids have 1 to 64 letters, digits and `. _ ~ -`; `d` may be missing. What cannot be read is ignored:
the header is the other side's own claim, as its events are.
"""

import re
from functools import partial

from msgspec import Struct

NAME = "Shockmouse-Session"

_ID = r"[A-Za-z0-9._~-]{1,64}"
_read = partial(re.fullmatch, f"01;s=({_ID})(?:;d=({_ID}))?")


class Joint(Struct, frozen=True):
    """The session, and the device if it is told, of whoever sent a request."""

    session_id: str
    device_id: str | None = None


def write(joint: Joint) -> str:
    """Return the header's value, empty for ids that it cannot hold."""
    device = f";d={joint.device_id}" if joint.device_id else ""
    value = f"01;s={joint.session_id}{device}"
    return value if _read(value) else ""


def read(value: str | None) -> Joint | None:
    """Return what an incoming header says, None if it says nothing that can be read."""
    found = _read(value.strip()) if value else None
    return Joint(found[1], found[2]) if found else None
