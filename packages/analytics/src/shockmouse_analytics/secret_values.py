"""Values that look like secrets or persons, whatever their key is called.

token   a JWT; 24 or more letters, digits, `_` and `-` in one piece with both cases and a digit; known keys
card    13 to 19 digits, with spaces or dashes between, that begin with 2 to 6 and pass Luhn's check
e-mail  an address

Ids in small letters, such as UUIDs and hashes in hex, are left alone.
"""

import re

from .event import REDACTED

_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+")
_JWT = re.compile(r"\beyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*")
_KNOWN = re.compile(r"\b(?:AKIA[0-9A-Z]{16}|(?:sk|rk|ak|ghp|gho|ghs|github_pat|glpat|xox[abprs])[_-][\w-]{16,})")
_LONG = re.compile(r"[\w-]{24,}")
_DIGITS = re.compile(r"(?<!\d)[2-6](?:[ -]?\d){12,18}(?!\d)")


def redact_values(value: object) -> object:
    """Return a JSON value with the parts of its texts and numbers that look like secrets replaced, at any depth."""
    if isinstance(value, dict):
        return {key: redact_values(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [redact_values(inner) for inner in value]
    if isinstance(value, str):
        return redact_text(value)
    if (
        isinstance(value, int)
        and not isinstance(value, bool)
        and _DIGITS.fullmatch(str(value))
        and _is_card(str(value))
    ):
        return REDACTED
    return value


def redact_text(text: str) -> str:
    """Return the text with each part that looks like a secret replaced by "[redacted]"."""
    if len(text) < 6:
        return text
    if "@" in text:
        text = _EMAIL.sub(REDACTED, text)
    text = _KNOWN.sub(REDACTED, _JWT.sub(REDACTED, text))
    text = _LONG.sub(lambda found: REDACTED if _is_key(found[0]) else found[0], text)
    return _DIGITS.sub(lambda found: REDACTED if _is_card(found[0]) else found[0], text)


def _is_key(text: str) -> bool:
    return text.lower() != text != text.upper() and any(map(str.isdigit, text))


def _is_card(text: str) -> bool:
    """Return whether the digits pass Luhn's check."""
    digits = [int(digit) for digit in reversed(text) if digit.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0
