"""The form of keys, and what is stored of them.

Form       wk_<project>_<32 letters and digits>: write; rk_… reads one project; ak_… administers one. 190 random bits
Prefix     the key up to the sixth random character: not secret, names a key in lists and finds it in the mirror
Stored     HMAC-SHA256 of the whole key under the secret `keys`; of write keys, public by nature, also the key itself
"""

import hashlib
import hmac
import re
import secrets
import string

KINDS = {"write": "wk", "read": "rk", "admin": "ak"}
ALPHABET = string.ascii_letters + string.digits
RANDOM_LENGTH = 32
SHOWN_LENGTH = 6
PROJECT_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)
TOKEN = re.compile(rf"(?:wk|rk|ak)_{PROJECT_NAME.pattern}_[A-Za-z0-9]{{{RANDOM_LENGTH}}}", re.ASCII)


def make_token(kind: str, project: str) -> str:
    random_part = "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LENGTH))
    return f"{KINDS[kind]}_{project}_{random_part}"


def token_prefix(token: str) -> str | None:
    """Return the part that may be shown; None: this is no key at all."""
    return token[: SHOWN_LENGTH - RANDOM_LENGTH] if TOKEN.fullmatch(token) else None


def token_hash(token: str, secret: bytes) -> str:
    return hmac.new(secret, token.encode("ascii"), hashlib.sha256).hexdigest()


def is_same_hash(one: str, other: str) -> bool:
    """Compare in a time that says nothing about where they differ."""
    return hmac.compare_digest(one, other)
