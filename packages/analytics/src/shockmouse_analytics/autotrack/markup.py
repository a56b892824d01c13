"""What is read from and added to the beginning of an HTML answer."""

import html
import re
from collections.abc import Mapping

TITLE_WITHIN_BYTES = 16 << 10
MAX_TITLE_CHARACTERS = 300

_VOUCHED = frozenset({"content-md5", "digest", "content-digest", "repr-digest"})  # the body has to stay as it is

# What a browser takes for text until the element's end, and elements without a place for a script.
_TEXTS = frozenset(
    (b"script", b"style", b"textarea", b"title", b"noscript", b"xmp", b"iframe", b"noembed", b"noframes", b"plaintext")
)
_NAMES = rb"(?:%b|/?template|/head|/body)(?=[\s/>])" % b"|".join(sorted(_TEXTS))
# A `>` in the value of an attribute counts only where that is not quoted. What is not closed reaches to the end.
_ATTRIBUTES = rb"""(?:[^>=]++|=\s*+(?:"[^"]*+(?:"|\Z)|'[^']*+(?:'|\Z)|[^\s>"'][^\s>]*+|))*+(?:>|\Z)"""
_COMMENT = rb"<!--(?:-?>|.*?(?:--!?>|\Z))"
_OTHER = rb"[^<]++|%b|<(?!%b)(?:/?[a-z][^\s/>]*+%b|)" % (_COMMENT, _NAMES, _ATTRIBUTES)
_find = re.compile(
    rb"(?:%b)*+(?P<tag><(?P<name>%b)%b)" % (_OTHER, _NAMES, _ATTRIBUTES), re.DOTALL | re.IGNORECASE
).match


def takes_tag(method: str, status: int, headers: Mapping[str, str] | Mapping[str, bytes]) -> bool:
    """Return whether a tag may be put into an HTML answer with these headers: it is whole and can be read.

    An answer without a length is streamed: to wait for its first part would hold it up.
    """
    is_page = method == "GET" and status == 200 and not _VOUCHED & headers.keys()
    return is_page and headers.get("content-length", "").isdigit()


def title_of(page: bytes) -> str | None:
    """Return the text of the title, None if the beginning of the page has none."""
    start = page.find(b"<title", 0, TITLE_WITHIN_BYTES)
    begin = page.find(b">", start, start + 200) + 1 if start >= 0 else 0
    end = page.find(b"</title", begin, begin + 4 * MAX_TITLE_CHARACTERS) if begin else -1
    if end < 0:
        return None
    try:
        text = page[begin:end].decode()
    except UnicodeDecodeError:  # another encoding: not worth the guess
        return None
    return " ".join(html.unescape(text).split())[:MAX_TITLE_CHARACTERS] or None


def insert(page: bytes, tag: bytes) -> bytes | None:
    """Return the page with the tag at the end of its head, else of its body; None if it has neither end.

    An end that a browser does not see as one, such as in a script's text or a comment, is none.
    """
    place = _end_of(page)
    return None if place is None else page[:place] + tag + page[place:]


def _end_of(page: bytes) -> int | None:
    """Return where the head ends, else where the body does."""
    place, templates, position = None, 0, 0
    while found := _find(page, position):
        name, position = found["name"].lower(), found.end()
        if name in _TEXTS:
            end = re.compile(rb"</%b(?=[\s/>])" % name, re.IGNORECASE).search(page, position)
            if end is None or _is_unclear(page[position : end.start()]):
                return None
            position = end.end()
        elif name.endswith(b"template"):
            templates = max(templates + (-1 if name.startswith(b"/") else 1), 0)
        elif not templates:
            place = found.start("tag")
            if name == b"/head":
                return place
    return place


def _is_unclear(text: bytes) -> bool:
    """Return whether an element's text may end later than it seems: a script with a comment that has a script."""
    return b"<!--" in text and b"<script" in text.lower()
