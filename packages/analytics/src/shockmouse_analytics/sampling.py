"""Which devices are kept when only a share of the events is wanted.

hash     FNV-1a, 32 bit, over the device id's UTF-8 bytes, then MurmurHash3's finaliser to spread it
kept     hash / 2**32 < rate; so a device is kept or dropped whole, and a higher rate keeps all that a lower one kept
vectors  tests/sampling_vectors.json; Python, browser and server give the same answers to them

The same in JavaScript:

    function keeps(deviceId, rate) {
      let h = 0x811c9dc5
      for (const byte of new TextEncoder().encode(deviceId)) h = Math.imul(h ^ byte, 0x01000193)
      h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
      h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
      return ((h ^ (h >>> 16)) >>> 0) / 4294967296 < rate
    }
"""

from functools import lru_cache

_MASK = 0xFFFFFFFF


def keeps(device_id: str, rate: float) -> bool:
    """Return whether this device's events are kept at `rate`, a share of (0, 1]."""
    return rate >= 1 or _hash(device_id) < rate * 4294967296


def rate_for(sample_rate: float | dict[str, float], type: str) -> float:  # noqa: A002 - the event's own word
    """Return the share of devices whose events of this type are kept; a type that is not named is kept whole."""
    return sample_rate.get(type, 1.0) if isinstance(sample_rate, dict) else sample_rate


@lru_cache(maxsize=4096)  # a program asks for one device again and again, a web server for its recent visitors
def _hash(device_id: str) -> int:
    value = 0x811C9DC5
    for byte in device_id.encode("utf-8", "replace"):
        value = ((value ^ byte) * 0x01000193) & _MASK
    value = ((value ^ (value >> 16)) * 0x85EBCA6B) & _MASK
    value = ((value ^ (value >> 13)) * 0xC2B2AE35) & _MASK
    return value ^ (value >> 16)
