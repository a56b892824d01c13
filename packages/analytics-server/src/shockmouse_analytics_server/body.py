"""A request's body as plain JSON bytes: its type, its one gzip member, its size.

Type      application/json or text/plain (what browsers' beacons can send), in UTF-8
Encoding  none or gzip; exactly one member, inflated no further than the limit
"""

import zlib
from functools import lru_cache

from .errors import BodyError

_TYPES = frozenset({"application/json", "text/plain"})
_CHARSETS = frozenset({"utf-8", "utf8", "us-ascii"})
_GZIP_MAGIC = b"\x1f\x8b"


@lru_cache(64)
def check_headers(content_type: str, content_encoding: str) -> None:
    """Pass when the body is announced as JSON in an encoding we read.

    Raises BodyError 415.
    """
    media_type, _, parameters = content_type.partition(";")
    if media_type.strip().lower() not in _TYPES:
        raise BodyError(415, "bad_content_type", "Content-Type must be application/json or text/plain")
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in _CHARSETS:
            raise BodyError(415, "bad_charset", "the body must be UTF-8")
    if content_encoding.strip().lower() not in ("", "identity", "gzip"):
        raise BodyError(415, "bad_content_encoding", "Content-Encoding must be gzip or absent")


def plain_bytes(body: bytes, content_encoding: str, max_inflated_bytes: int) -> bytes:
    """Return the body inflated and known to be UTF-8.

    Raises BodyError: 413 over the limit, 415 gzip in gzip, 400 anything else that is wrong.
    """
    if content_encoding.strip().lower() == "gzip":
        body = _inflate(body, max_inflated_bytes)
    if not body.isascii():
        _check_utf8(body)
    return body


def _inflate(body: bytes, max_bytes: int) -> bytes:
    member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        plain = member.decompress(body, max_bytes + 1)
    except zlib.error as exc:
        raise BodyError(400, "bad_gzip", "the body is not valid gzip") from exc
    if len(plain) > max_bytes:
        raise BodyError(413, "too_large", f"the body inflates to more than {max_bytes} bytes")
    if not member.eof:
        raise BodyError(400, "bad_gzip", "the gzip body is cut off")
    if member.unused_data:
        raise BodyError(400, "bad_gzip", "something follows the gzip member; exactly one is allowed")
    if plain.startswith(_GZIP_MAGIC):
        raise BodyError(415, "bad_content_encoding", "gzip inside gzip")
    return plain


def _check_utf8(body: bytes) -> None:
    try:
        body.decode()
    except UnicodeDecodeError as exc:
        raise BodyError(400, "bad_text", f"the body is not UTF-8 (byte {exc.start})") from exc
