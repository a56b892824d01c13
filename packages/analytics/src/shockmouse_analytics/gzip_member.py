"""JSON objects compressed once, as one gzip member each, to which a few members of the object may be added later.

What is packed ends at a byte's border, before an empty last block (RFC 1951, 3.2.3) and the trailer of CRC and length
(RFC 1952, 2.3.1). So more can follow in a block that is only stored, without reading or compressing the rest again.
"""

import struct
import zlib

_LAST_BLOCK = b"\x03\x00"  # says: last, fixed codes, end of block
_TRAILER = struct.Struct("<II")
_STORED_BLOCK = struct.Struct("<BHH")


def pack(plain: bytes) -> bytes:
    """Return the bytes as one gzip member."""
    deflating = zlib.compressobj(1, wbits=31)
    packed = deflating.compress(plain) + deflating.flush(zlib.Z_SYNC_FLUSH)
    return packed + _LAST_BLOCK + deflating.flush()[-_TRAILER.size :]


def unpack(member: bytes) -> bytes:
    """Return what was packed. Raises zlib.error: it is damaged, or not one member alone."""
    unpacking = zlib.decompressobj(wbits=31)
    plain = unpacking.decompress(member)
    if not unpacking.eof or unpacking.unused_data:
        raise zlib.error("no single gzip member")
    return plain


def first(member: bytes, most: int) -> bytes:
    """Return the first bytes that were packed, at most so many, without unpacking the rest; none if it is damaged."""
    try:
        return zlib.decompressobj(wbits=31).decompress(member, most)
    except zlib.error:
        return b""


def plain_bytes(member: bytes) -> int:
    """Return the number of bytes that were packed."""
    size: int = _TRAILER.unpack(member[-_TRAILER.size :])[1]
    return size


def append(member: bytes, more: bytes) -> bytes:
    """Return the member with up to 65,535 bytes added at its end."""
    crc, size = _TRAILER.unpack(member[-_TRAILER.size :])
    block = _STORED_BLOCK.pack(1, len(more), len(more) ^ 0xFFFF)
    trailer = _TRAILER.pack(zlib.crc32(more, crc), size + len(more))
    return b"".join((member[: -_TRAILER.size - len(_LAST_BLOCK)], block, more, trailer))
