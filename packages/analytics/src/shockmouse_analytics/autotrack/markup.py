"""What is read from and added to the beginning of an HTML answer."""

import html
from collections.abc import Set

TITLE_WITHIN_BYTES = 16 << 10
MAX_TITLE_CHARACTERS = 300

_VOUCHED = frozenset({"content-md5", "digest", "content-digest", "repr-digest"})  # the body has to stay as it is


def takes_tag(method: str, status: int, names: Set[str]) -> bool:
    """Return whether a tag may be put into an HTML answer with headers of these names: it is whole and can be read.

    An answer without a length is streamed: to wait for its first part would hold it up.
    """
    return method == "GET" and status == 200 and "content-length" in names and not _VOUCHED & names


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
    """Return the page with the tag at the end of its head, else of its body; None if it has neither end."""
    for place in (page.find(b"</head>"), page.find(b"</HEAD>"), page.rfind(b"</body>"), page.rfind(b"</BODY>")):
        if place >= 0:
            return page[:place] + tag + page[place:]
    return None
