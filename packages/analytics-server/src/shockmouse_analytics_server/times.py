"""Times as senders write them: RFC 3339, with two liberties.

Zone    without one it is UTC
Leap    second 60 is the second after it, which is when it ends
"""

import re
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import ValidationError

_LEAP_SECOND = re.compile(r"(.{17})60(.*)")


def parse_time(text: str) -> datetime:
    """Return an RFC 3339 time as an aware one; without a zone it is UTC, and a leap second is the second after it.

    Raises ValueError.
    """
    try:
        when = msgspec.convert(text, datetime)
    except ValidationError as exc:
        when = _parse_leap_second(text, exc)
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _parse_leap_second(text: str, error: ValidationError) -> datetime:
    leap = _LEAP_SECOND.fullmatch(text)
    if leap is None:
        raise ValueError("not an RFC 3339 time") from error
    try:
        return msgspec.convert(f"{leap[1]}59{leap[2]}", datetime) + timedelta(seconds=1)
    except (ValidationError, OverflowError) as exc:
        raise ValueError("not an RFC 3339 time") from exc
