"""What a person has refused, and what is never sent: the values of keys that look like secrets.

opted-out-<project hash>   an empty file in the state folder: while it is there, this person refuses this project
consent-<project hash>     what the person has said to each purpose, as JSON; `analytics` is the one that decides
"""

import hashlib
import logging
import os
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import msgspec

from .event import REDACTED

logger = logging.getLogger("shockmouse_analytics")

# Searched in a key's words, in lower case with one space between: clientSecret, client_secret and client-secret are
# "client secret". Whole words, so that "passengers" and "secretary" are none; glued ones such as "accesstoken" are.
_SENSITIVE = (
    r"\b(?:auth|authorization|bearer|cookies?|credentials?|csrf|cvc|cvv|iban|jwt|otp|pin|pwd|ssn|security code"
    r"|social security|\w*(?:pass ?words?|passwd|pass ?code|pass ?phrase|secrets?|token|(?:auth|secret) ?key)"
    r"|(?:access|api|encryption|master|private|signing|ssh) ?key|(?:account|card|cc) ?(?:number|num|no|nr)"
    r"|credit ?card)"
)
_MENTION = rf"{_SENSITIVE}s?\b|\bpass$"  # a number is how many tokens, or how many have passed
_WORDS = r"[A-Z]{2,}s(?![a-z])|[A-Z]+(?![a-z])|[A-Z]?[a-z]+"


_NESTED: frozenset[type] = frozenset({dict, list})  # what decoding makes; asked of each value, so not by isinstance()
COLLECTING = "analytics"  # the purpose that a person must agree to


class Consent:
    """Whether events of this project may be collected: DO_NOT_TRACK, and a refusal remembered on disk."""

    def __init__(self, *, project: str, state_dir: Path | None, environ: Mapping[str, str] = os.environ) -> None:
        name = hashlib.sha256(project.encode("utf-8", "replace")).hexdigest()[:16]
        self._path = state_dir / f"opted-out-{name}" if state_dir else None
        self._purposes_path = state_dir / f"consent-{name}" if state_dir else None
        self.purposes = self._read_purposes()
        self._do_not_track = environ.get("DO_NOT_TRACK", "").strip().lower() not in ("", "0", "false", "no")
        self._forgetful = False  # refused where nothing can be stored: holds until this process ends
        self._decisions = 0
        self.refused = True
        self.reload()
        self.was_remembered = self._is_on_disk()  # whether an earlier run, or another process, has refused

    def reload(self) -> None:
        """Look again at what is on disk: another process may have asked the person. One stat()."""
        decisions = self._decisions
        on_disk = self._is_on_disk()
        if decisions == self._decisions:  # else it was decided here, while this looked
            self.refused = self._do_not_track or self._forgetful or on_disk

    def has_withdrawn(self) -> bool:
        """Return whether the person has refused, here or in another process; DO_NOT_TRACK is no such answer."""
        return self._forgetful or self._is_on_disk()

    def hear(self) -> None:
        """Look again at what the person has said, in another process too."""
        self.purposes = {**self.purposes, **self._read_purposes()}
        self.reload()

    def _is_on_disk(self) -> bool:
        try:
            return self._path is not None and self._path.exists()
        except OSError:
            return False

    def why_refused(self) -> str:
        """Return why nothing is collected, in words; empty where nobody refuses."""
        if self._do_not_track:
            return "DO_NOT_TRACK is set in the environment"
        return "this person has opted out" if self.refused else ""

    def decide(self, purposes: Mapping[str, bool]) -> bool:
        """Remember what the person says to these purposes; return whether that is on disk for the next start."""
        if COLLECTING in purposes:
            (self._take_back if purposes[COLLECTING] else self._refuse)()
        return self._remember(purposes)

    def _remember(self, purposes: Mapping[str, bool]) -> bool:
        self.purposes = {**self.purposes, **self._read_purposes(), **purposes}
        if self._purposes_path is None:
            return False
        written = self._purposes_path.with_name(f"{self._purposes_path.name}-{os.getpid()}")
        try:
            self._purposes_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            written.touch(mode=0o600)
            written.write_bytes(msgspec.json.encode(self.purposes))
            written.replace(self._purposes_path)
        except OSError as exc:
            logger.warning("a consent could not be stored, it holds until this process ends: %s", exc.strerror)
            return False
        return True

    def _read_purposes(self) -> dict[str, bool]:
        try:
            told = self._purposes_path.read_bytes() if self._purposes_path else b"{}"
            return msgspec.json.decode(told, type=dict[str, bool])
        except (OSError, msgspec.DecodeError):  # not asked yet, or a damaged file: to be asked again
            return {}

    def opt_out(self) -> bool:
        """Collect nothing from now on; return whether that is remembered on disk for the next start."""
        is_remembered = self._refuse()
        self._answer_anew(False)
        return is_remembered

    def opt_in(self) -> bool:
        """Take a refusal back; return whether events are collected now. DO_NOT_TRACK stays in force."""
        is_collected = self._take_back()
        self._answer_anew(True)
        return is_collected

    def _answer_anew(self, agrees: bool) -> None:
        """Put what was answered when the person was asked in line with what is said now."""
        self.purposes = {**self.purposes, **self._read_purposes()}
        if self.purposes.get(COLLECTING, agrees) != agrees:
            self._remember({COLLECTING: agrees})

    def _refuse(self) -> bool:
        self._decisions += 1
        self.refused = True
        try:
            if self._path is not None:
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._path.touch(mode=0o600)
                self._decisions += 1
                self.refused = True
                return True
        except OSError as exc:
            logger.warning("a refusal could not be stored, it holds until this process ends: %s", exc.strerror)
        self._forgetful = True
        return False

    def _take_back(self) -> bool:
        self._forgetful = False
        try:
            if self._path is not None:
                self._path.unlink(missing_ok=True)
            self._decisions += 1
        except OSError as exc:
            logger.warning("a refusal could not be taken off the disk: %s", exc.strerror)
        self.reload()
        return not self.refused


def redact_encoded(encoded: bytes) -> bytes:
    """Return a JSON text with the values of keys that look like secrets replaced by "[redacted]", at any depth.

    Text without such a key comes back as it is; to know costs about 2 µs for an event of 10 properties.
    """
    value = msgspec.json.decode(encoded)
    return msgspec.json.encode(redact(value)) if _holds_secret(value) else encoded


def redact(value: object) -> object:
    """Return a JSON value with the values of keys that look like secrets replaced by "[redacted]", at any depth."""
    if isinstance(value, dict):
        return {key: REDACTED if _is_secret(key, inner) else redact(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [redact(inner) for inner in value]
    return value


def _holds_secret(value: object) -> bool:
    if isinstance(value, dict):
        for key, inner in value.items():
            if _sensitivity(key) and _is_secret(key, inner):
                return True
            if inner.__class__ in _NESTED and _holds_secret(inner):
                return True
        return False
    return isinstance(value, list) and any(map(_holds_secret, value))


def _is_secret(key: str, value: object) -> bool:
    """True for text, lists and objects under a secret's name; a number only if the name ends in it, in the singular."""
    if value is None or isinstance(value, bool):
        return False  # has_password: true tells nothing
    return _sensitivity(key) >= (2 if isinstance(value, int | float) else 1)


@lru_cache(maxsize=4096)  # a program's events have the same few keys
def _sensitivity(key: str) -> int:
    """Return 0 for a key that names no secret, 1 for one that mentions some, 2 for one whose last word is one."""
    words = " ".join(re.findall(_WORDS, key)).lower()  # compiled by the first event, not by whoever imports this
    return 2 if re.search(_SENSITIVE + "$", words) else 1 if re.search(_MENTION, words) else 0
