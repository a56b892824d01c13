"""Write the browser script as it is served: without comments and white space, its own names made short.

Source     packages/analytics/src/shockmouse_analytics/browser/agent.js
Constants  are variables there: one word repeats better than two
Results    the server's static/agent.js, and agent.min.js beside the source, which the middleware serves; a test
           compares them with what this makes now
Line ends  stay where the language might need them, as the source has no semicolons
"""

import gzip
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from short_names import shorten

PACKAGES = Path(__file__).parent.parent / "packages"
SOURCE = PACKAGES / "analytics" / "src" / "shockmouse_analytics" / "browser" / "agent.js"
RESULTS = (
    PACKAGES / "analytics-server" / "src" / "shockmouse_analytics_server" / "static" / "agent.js",
    SOURCE.with_name("agent.min.js"),
)
MOST_BYTES = 6144  # gzipped

TOKEN = re.compile(
    r"""(?P<comment>//[^\n]*)
    |(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<regex>(?:(?<=\()|(?<=[=,:?&|]\ ))/(?![*/])(?:\[(?:[^\]\\\n]|\\.)*\]|[^/\\\n\[]|\\.)+/[a-z]*)
    |(?P<space>[ \n]+)
    |(?P<word>[\w$]+)
    |(?P<sign>=>|\+\+|--|[-+*/%=<>!&|?:;,.(){}\[\]^~])
    """,
    re.VERBOSE,
)
SHORTER = {"const": "let", "true": "!0", "false": "!1"}
OPENS = set("{([,;=:?&|<>!.+-*") | {"=>"}  # after these a statement goes on
OPENERS, CLOSERS = set("([{"), set(")]}")
CLOSES = set(")]},.:?=&|<>*")  # and before these


class SourceError(Exception):
    """The source holds something that this program does not know how to leave alone."""


def tokens(source: str) -> Iterator[tuple[str, str]]:
    """Yield kind and text of what the source consists of, comments left out."""
    position = 0
    while position < len(source):
        found = TOKEN.match(source, position)
        if found is None:
            line = source.count("\n", 0, position) + 1
            raise SourceError(
                f"line {line}: {source[position : position + 20]!r} is not known to {Path(__file__).name}"
            )
        position = found.end()
        if found.lastgroup != "comment":
            yield str(found.lastgroup), found[0]


def needed(before: str, space: str, after: str) -> str:
    """Return what of the white space between two tokens the language needs."""
    if "\n" in space:
        return "" if not before or before in OPENS or after in CLOSES else "\n"
    is_one_word = re.match(r"[\w$]", before[-1:]) and re.match(r"[\w$]", after[:1])
    return " " if is_one_word or (before == after and before in "+-") else ""


def build(source: str) -> str:
    """Return the source without comments, white space and constants, with short names."""
    parts: list[tuple[str, str]] = []  # what stands before a token, and the token
    space = ""
    for kind, text in tokens(source):
        if kind == "space":
            space += text
        else:
            before = parts[-1][1] if parts else ""
            text = SHORTER.get(text, text)
            parts.append((needed(before, space, text) if space else "", text))
            space = ""
    short = shorten([text for _, text in parts])
    return "".join(joined([space for space, _ in parts], short)) + "\n"


def joined(spaces: list[str], texts: list[str]) -> Iterator[str]:
    """Yield spaces and tokens; a declaration that follows another one becomes a part of it."""
    begun = [""]  # the first token of the statement in each bracket that is open
    before = ""
    for space, text in zip(spaces, texts, strict=True):
        if text in CLOSERS:
            begun.pop()
        if space == "\n" and text == begun[-1] == "let":
            before = ","
            yield before
            continue
        if space == "\n" or not begun[-1]:
            begun[-1] = text
        yield text if before == "," else space + text
        before = text
        if text in OPENERS:
            begun.append("")


def main() -> int:
    built = build(SOURCE.read_text(encoding="utf-8"))
    size = len(gzip.compress(built.encode(), 9))
    print(f"{SOURCE.name}: {len(built.encode())} bytes, {size} gzipped, {MOST_BYTES} allowed")
    if size > MOST_BYTES:
        return 1
    for result in RESULTS:
        result.write_text(built, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
