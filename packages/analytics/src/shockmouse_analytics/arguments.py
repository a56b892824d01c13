"""What a program hands over: whoever has no type checker may pass anything.

Each check raises TypeError or ValueError, which says what was wrong.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, get_args

from .event import MAX_NAME_CHARACTERS, MAX_USER_ID_CHARACTERS, EventType, is_visible, stands_for_no_id

_EVENT_TYPES = frozenset(get_args(EventType))
_NAMED = frozenset({"track", "screen", "performance"})


def check_event(kind: object, name: object) -> None:
    """An event's type is known and its name can be told."""
    if kind not in _EVENT_TYPES:
        raise ValueError(f"{kind!r} is no type of event")
    if name is None:
        if kind in _NAMED:
            raise TypeError(f"an event of type {kind} needs a name")
    elif not isinstance(name, str):
        raise not_a("name", name, "a string")
    else:
        _check_name(name)


@lru_cache(1024)  # a program has few names
def _check_name(name: str) -> None:
    if not name.strip() or len(name) > MAX_NAME_CHARACTERS:
        raise ValueError(f"name should have 1 to {MAX_NAME_CHARACTERS} characters")
    if not is_visible(name):
        raise ValueError("name has no character that can be seen")


def check_id(given: object, called: str) -> None:
    """An id names somebody."""
    if not isinstance(given, str) or not 0 < len(given) <= MAX_USER_ID_CHARACTERS or not is_unicode(given):
        raise ValueError(f"{called} should be a string of 1 to {MAX_USER_ID_CHARACTERS} characters")
    if stands_for_no_id(given):
        hint = "; call reset() where nobody is signed in" if called == "user_id" else ""
        raise ValueError(f"{called} stands for no id{hint}")


def check_purposes(given: object, called: str) -> None:
    """Each purpose has an answer."""
    if not isinstance(given, Mapping) or not all(
        isinstance(name, str) and is_unicode(name) and isinstance(agreed, bool) for name, agreed in given.items()
    ):
        raise TypeError(f"{called} should be a mapping of names to True or False")


def check_time(given: object, called: str) -> None:
    """A time is a number of seconds, or None."""
    if given is not None and not (isinstance(given, int | float) and given == given):  # which NaN is not
        raise not_a(called, given, "a number of seconds")


def as_dict(given: Mapping[str, Any] | None, called: str = "properties") -> dict[str, Any] | None:
    if given is None or isinstance(given, dict):
        return given
    if isinstance(given, Mapping):
        return dict(given)
    raise not_a(called, given, "a mapping")


def not_a(called: str, given: object, wanted: str) -> TypeError:
    return TypeError(f"{called} should be {wanted}, not {type(given).__name__}")


def is_unicode(text: str) -> bool:
    """Return whether the text can be sent: without half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
