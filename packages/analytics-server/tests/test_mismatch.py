"""What a body should be is told in words: the field, what stands there, what fits."""

from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta, Struct

from shockmouse_analytics_server.mismatch import explain


class Part(Struct, forbid_unknown_fields=True):
    word: str
    kind: Literal["round", "square"] | None = None


class Whole(Struct):
    count: Annotated[int, Meta(ge=1, le=9)] = 1
    sure: Literal[True] = True
    mode: Literal["", "low", "high"] = ""
    texts: dict[Annotated[str, Meta(max_length=3)], Annotated[str, Meta(max_length=2)]] = {}
    parts: Annotated[tuple[Part, ...], Meta(min_length=1)] | None = None


TOLD: dict[bytes, str] = {
    b'{"count": "x"}': 'count is "x", but should be a whole number',
    b'{"count": null}': "count is null, but should be a whole number",
    b'{"count": 0}': "count is 0, but should be a whole number of at least 1",
    b'{"count": {}}': "count is an object, but should be a whole number",
    b'{"texts": {"k": "long"}}': "a value in texts should be a text of at most 2 characters",
    b'{"texts": {"long": "k"}}': "a key in texts should be a text of at most 3 characters",
    b'{"parts": []}': "parts is a list of 0, but should be a list of at least 1 member",
    b'{"parts": [{"word": "a", "kind": "foo"}]}': 'parts[0].kind is "foo", but should be one of round, square',
    b'{"parts": [{"word": "a"}, {}]}': "parts[1].word is missing",
    b'{"parts": [{"wort": "a"}]}': "parts[0].wort is unknown; the fields are word, kind",
    b'{"count": "' + b"y" * 100 + b'"}': f'count is "{"y" * 39}… (100 characters), but should be a whole number',
    b"[1]": "the body is a list of 1, but should be an object",
    b'{"count": ': "the body: not valid JSON: it ends too early",
    b'{"count": }': "the body: not valid JSON: invalid character (byte 10)",
    rb'{"texts": {"k": "\ud800"}}': "the body: a text is not valid Unicode",
    rb'{"\\ud800": 1': "the body: not valid JSON: it ends too early",
    b'{"sure": 1}': "sure is 1, but should be true",
    b'{"mode": "loud"}': 'mode is "loud", but should be one of high, low or empty',
    b'{"texts": {"k": "\xff"}}': "the body: a text is not valid Unicode",
}


def refused(body: bytes, kind: Any) -> Exception:
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)) as caught:
        msgspec.json.decode(body, type=kind)
    return caught.value


@pytest.mark.parametrize("body", TOLD)
def test_every_kind_of_mismatch_has_its_words(body: bytes) -> None:
    assert explain(refused(body, Whole), body, Whole, "the body") == TOLD[body]


def test_the_fields_of_a_part_are_named_from_the_whole() -> None:
    body = b'{"kind": 5, "word": ""}'
    told = explain(refused(body, Part), body, Part, "the context", prefix="context")
    assert told == "context.kind is 5, but should be one of round, square"
