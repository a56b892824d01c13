"""ETags of pages that got the script's tag: a browser may go on using its copy only while it would get the same tag.

"abc"                      the application's, of the page as it made it
"abc.shockmouse-0123abcd"  of the page with the tag; eight digits of the tag, which says whether there is consent

A request's If-None-Match reaches the application without the digits if they are those of now, and not at all if they
are others: a copy from before a withdrawal is answered with the whole page. What has no digits is not ours and stays as
it is. Last-Modified cannot tell one tag from another, so such pages have none.
"""

import hashlib
import re
from collections.abc import Callable, Collection

from msgspec import Struct

MARK = ".shockmouse-"
CONDITIONS = ("if-none-match", "if-match")

_ENTRY = re.compile(r'(?:W/)?"[^"]*"|\*')
_MARKED = re.compile(rf'((?:W/)?"[^"]*){re.escape(MARK)}([0-9a-f]{{8}})"')

Pairs = list[tuple[str, str]]


class Condition(Struct, frozen=True):
    """What a request asks about its copies.

    headers  as the application is to see them; an empty one is left out
    digits   of the copy that it may go on using, empty where it has none with a tag
    """

    headers: dict[str, str]
    digits: str


NOTHING_ASKED = Condition({}, "")


def digits_of(tag: bytes, *, shared: bool) -> str:
    """Return the digits of a page with this tag; what shared caches keep has others."""
    return hashlib.sha256(b"shared " * shared + tag).hexdigest()[:8]


def read_condition(header: Callable[[str], str], current: Callable[[], Collection[str]]) -> Condition:
    """Return what a request asks; `current` tells the digits of the tags that a page may get now."""
    asked = {name: header(name) for name in CONDITIONS}
    if not any(MARK in value for value in asked.values()):
        return NOTHING_ASKED
    known, kept, digits = current(), [], ""
    for entry in _ENTRY.findall(asked["if-none-match"]):
        marked = _MARKED.fullmatch(entry)
        if marked is None:
            kept.append(entry)
        elif marked[2] in known:
            kept.append(f'{marked[1]}"')
            digits = digits or marked[2]
    headers = {"if-none-match": ", ".join(kept), "if-match": _MARKED.sub(r'\1"', asked["if-match"])}
    if asked["if-none-match"] and not kept:
        headers["if-modified-since"] = ""  # it counts where there is no If-None-Match
    return Condition(headers, digits)


def mark(headers: Pairs, digits: str) -> Pairs:
    """Return the headers of a page with a tag of these digits, or of the 304 that stands for it."""
    kept = ((name, value) for name, value in headers if name.lower() != "last-modified")
    return [(name, _marked(value, digits) if name.lower() == "etag" else value) for name, value in kept]


def _marked(etag: str, digits: str) -> str:
    return f'{etag.rstrip()[:-1]}{MARK}{digits}"' if etag.rstrip().endswith('"') else etag
