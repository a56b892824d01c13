"""Who the device is, told as much as the privacy mode allows and no more.

SIGNALS     the only list of what may be read: name, the least private mode that sends it, why
device id   strict    random for this process, stored nowhere
            balanced  random for this installation of the program, in the state folder, gone when the person deletes it
            full      HMAC-SHA256 with the machine's id as key over "shockmouse", the project and a version: different
                      in each project, and the machine's id cannot be had from it; the installation's id where images
                      are cloned: containers, continuous integration, virtual machines
install-id-<project hash>   32 hexadecimal digits, 0600; written whole or not at all, so that processes that start
            at once agree
"""

import hashlib
import logging
import os
import platform
import re
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from . import machine as facts
from .event import Privacy
from .machine import Machine

logger = logging.getLogger("shockmouse_analytics")

Value = str | int | bool | None
_VERSION = b"1"  # of the way a device id is made from the machine's id
_RANKS: Mapping[str, int] = {"strict": 0, "balanced": 1, "full": 2, "never": 3}


class Signal(Struct, frozen=True):
    """One fact about the device, and the first of strict, balanced, full in which it is sent.

    Without `read` it is no part of the fingerprint: it is told elsewhere, or never.
    """

    name: str
    mode: Literal["strict", "balanced", "full", "never"]
    why: str
    read: Callable[[Machine], Value] | None = None


SIGNALS: tuple[Signal, ...] = (
    Signal("os", "strict", "family of the operating system", lambda _: platform.system()),
    Signal("arch", "strict", "which builds are needed", lambda _: platform.machine()),
    Signal("python", "strict", "which versions are in use", lambda _: f"{sys.version_info[0]}.{sys.version_info[1]}"),
    Signal("implementation", "strict", "CPython, PyPy and others", lambda _: platform.python_implementation()),
    Signal("utc_offset_hours", "strict", "time of day of use, to the hour", lambda _: _utc_offset_hours()),
    Signal("is_ci", "strict", "runs that are no person's", facts.is_ci),
    Signal("is_container", "strict", "a kind of installation, never the container's id", facts.is_container),
    Signal("is_notebook", "strict", "a kind of use", facts.is_notebook),
    Signal("is_wsl", "strict", "Linux inside Windows", facts.is_wsl),
    Signal("os_version", "balanced", "which systems must be supported: major.minor", facts.os_version),
    Signal("distribution", "balanced", "which Linux packages are needed", facts.distribution),
    Signal("cpu_count", "balanced", "what a typical device can do: rounded to a power of two", facts.cpu_count),
    Signal("memory_gib", "balanced", "what a typical device can hold: rounded to a power of two", facts.memory_gib),
    Signal("language", "balanced", "which translations are worth it: the language without the country", facts.language),
    Signal("timezone", "balanced", "where the day begins", facts.timezone),
    Signal("os_release", "full", "the exact kernel or build", lambda _: platform.release()),
    Signal("cpu_model", "full", "the exact processor", facts.cpu_model),
    Signal("screen", "full", "which sizes to design for: rounded to 100 pixels, in the context of windows of PySide6"),
    Signal(
        "machine_id",
        "never",
        "identifies the machine everywhere; in full mode it is the key of a hash, by itself never",
    ),
    Signal("container_id", "never", "names a container, not a device; only is_container is told"),
    Signal("mac_address", "never", "identifies hardware everywhere, and is random on some machines"),
    Signal("hardware_serials", "never", "identify hardware for ever: disks, boards, processors"),
    Signal("hostname", "never", "often contains a person's name"),
    Signal("user_name", "never", "personal data by itself"),
    Signal("home_path", "never", "contains the user name"),
    Signal("installed_packages", "never", "nearly unique, and tells what a person works on"),
    Signal("executable_path", "never", "contains names of people and projects"),
    Signal("working_folder", "never", "contains names of people and projects"),
    Signal("arguments", "never", "contain whatever a person typed, secrets too"),
)


class Fingerprint(Struct, frozen=True):
    """What is told about the device.

    hash        of the signals, 32 hexadecimal digits, different in each project; changes when a signal changes
    components  what the device id was made of, and how
    confidence  0 to 1, our judgement: how surely the same device has the same id next week, and no other has it

    >>> known = Fingerprinter(privacy="strict", project="shop", state_dir=None).fingerprint()
    >>> known.components, known.confidence
    ({'process_id': 'random, until this process ends'}, 0.0)
    """

    device_id: str
    hash: str
    signals: dict[str, Value]
    components: dict[str, str]
    confidence: float
    privacy: Privacy


class Fingerprinter:
    """Reads the signals of one privacy mode and makes the device id; reads each fact once.

    >>> device = Fingerprinter(privacy="balanced", project="shop", state_dir=folder)
    >>> device.fingerprint().privacy
    'balanced'
    """

    def __init__(
        self, *, privacy: Privacy, project: str, state_dir: Path | None, machine: Machine | None = None
    ) -> None:
        """Remember what to do; nothing is read or written yet. Without `state_dir` nothing will be stored."""
        self._privacy = privacy
        self._project = project.encode("utf-8", "replace")
        name = f"install-id-{hashlib.sha256(self._project).hexdigest()[:16]}"
        self._install_path = state_dir / name if state_dir else None
        self._machine = machine or Machine()
        self._process_id = os.urandom(16).hex()
        self._known: Fingerprint | None = None

    def fingerprint(self) -> Fingerprint:
        """Return the device's fingerprint. Never raises: what cannot be read is left out.

        The first call may touch the disk and start a program of the system, so it belongs in the background.

        >>> device = Fingerprinter(privacy="balanced", project="shop", state_dir=folder)
        >>> len(device.fingerprint().device_id), device.fingerprint().confidence
        (32, 0.9)
        """
        if self._known is None:
            device_id, components, confidence = self._identify()
            signals = read_signals(self._privacy, self._machine)
            digest = hashlib.sha256(self._project + b"\0" + msgspec.json.encode(signals, order="sorted"))
            self._known = Fingerprint(
                device_id, digest.hexdigest()[:32], signals, components, confidence, self._privacy
            )
        return self._known

    def forget(self) -> None:
        """Remove the install id; the next fingerprint has a new one. An id made of the machine's id stays.

        >>> device = Fingerprinter(privacy="balanced", project="shop", state_dir=folder)
        >>> before = device.fingerprint().device_id
        >>> device.forget()
        >>> device.fingerprint().device_id == before
        False
        """
        self._process_id = os.urandom(16).hex()
        self._known = None
        if self._install_path is not None:
            try:
                self._install_path.unlink(missing_ok=True)
            except OSError as exc:
                logger.warning("the install id could not be removed: %s", exc.strerror)

    def _identify(self) -> tuple[str, dict[str, str], float]:
        """Return the device id, what it was made of, and the confidence in it."""
        if self._privacy == "strict":
            return self._process_id, {"process_id": "random, until this process ends"}, 0.0
        copied = self._copied() if self._privacy == "full" else None
        if self._privacy == "full" and not copied:
            key = facts.machine_id(self._machine)
            if key:
                import hmac

                digest = hmac.digest(key.encode(), b"\0".join((b"shockmouse", self._project, _VERSION)), "sha256")
                return digest.hex()[:32], {"machine_id": "HMAC-SHA256, keyed by the machine's id"}, 0.99
            copied = "no machine id"
        installed = read_install_id(self._install_path) if self._install_path else None
        reason = f" ({copied})" if copied else ""
        if installed:
            return installed, {"install_id": f"random, stored until it is removed{reason}"}, 0.5 if copied else 0.9
        return self._process_id, {"process_id": f"random, nothing can be stored{reason}"}, 0.0

    def _copied(self) -> str | None:
        """Return why the machine's id may be another machine's too; None when nothing says so."""
        checks = {"container": facts.is_container, "CI": facts.is_ci, "virtual machine": facts.is_virtual}
        return next((name for name, check in checks.items() if check(self._machine)), None)


def read_signals(privacy: Privacy, machine: Machine) -> dict[str, Value]:
    """Return every signal that this mode may send and that this machine knows."""
    allowed = (signal for signal in SIGNALS if _RANKS[signal.mode] <= _RANKS[privacy])
    found = {signal.name: _read(signal, machine) for signal in allowed}
    return {name: value for name, value in found.items() if value is not None and value != ""}


def read_install_id(path: Path) -> str | None:
    """Return the id stored at `path`, made if there is none; None when the disk does not allow it."""
    try:
        found = _stored(path)
        if found is None:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _publish(os.urandom(16).hex(), path)
            found = _stored(path)  # another process may have been first
    except OSError:
        return None
    return found


def _stored(path: Path) -> str | None:
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        return None
    if re.fullmatch(rb"[0-9a-f]{32}", found):
        return found.decode()
    path.unlink(missing_ok=True)  # written by nobody we know, or cut off by a failing disk
    return None


def _publish(content: str, path: Path) -> None:
    """Make `path` hold the content if it does not exist yet; it is never seen half written, nor replaced."""
    fresh = path.with_name(f"{path.name}.{os.urandom(8).hex()}")
    try:
        with os.fdopen(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _link(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)


def _link(fresh: Path, path: Path) -> None:
    try:
        path.hardlink_to(fresh)
    except FileExistsError:
        return
    except OSError:  # a file system without hard links: the last of two writers wins, and both read after it
        fresh.replace(path)


def _read(signal: Signal, machine: Machine) -> Value:
    """Return a signal's value, None when it cannot be had: a strange machine must not cost the program its events."""
    try:
        return signal.read(machine) if signal.read else None
    except Exception as exc:  # readers ask systems that we have never seen
        logger.debug("signal %s cannot be read: %s", signal.name, type(exc).__name__)
        return None


def _utc_offset_hours() -> int:
    return time.localtime().tm_gmtoff // 3600
