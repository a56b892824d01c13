"""Which devices are kept where only a share is wanted: the same rule as in the client and the browser script.

A sender that knows its device samples by itself. Where the server gives the device, the sender has sent everything, and
the server leaves out what is not of the share.

hash   FNV-1a, 32 bit, over the device id's UTF-8 bytes, then MurmurHash3's finaliser to spread it
kept   hash / 2**32 < rate
"""

_MASK = 0xFFFFFFFF


def keeps(device_id: str, rate: float) -> bool:
    """Return whether this device's events are kept at `rate`, a share of (0, 1]."""
    return rate >= 1 or _hash(device_id) < rate * 4294967296


def _hash(device_id: str) -> int:
    value = 0x811C9DC5
    for byte in device_id.encode("utf-8", "replace"):
        value = ((value ^ byte) * 0x01000193) & _MASK
    value = ((value ^ (value >> 16)) * 0x85EBCA6B) & _MASK
    value = ((value ^ (value >> 13)) * 0xC2B2AE35) & _MASK
    return value ^ (value >> 16)
