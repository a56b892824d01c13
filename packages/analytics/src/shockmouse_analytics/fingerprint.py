"""Who the device is, told as much as the privacy mode allows and no more.

SIGNALS     the only list of what may be read: name, the least private mode that sends it, why
device id   strict    random for this process, stored nowhere
            balanced  random for this installation of the program, in the state folder, gone when the person deletes it
            full      HMAC-SHA256 with the machine's id as key over "shockmouse", the project and a version: different
                      in each project, and the machine's id cannot be had from it; the installation's id where images
                      are cloned: containers, continuous integration, virtual machines
install-id-<project hash>   32 hexadecimal digits, 0600; written whole or not at all, so that processes that start
            at once agree
names       of the host, the account and its home folder: only where asked for, each as an HMAC-SHA256 too: names are
            guessed, so the key is one that is never sent. That is the machine's id where the device id is made of it,
            else that in a file of the same kind:
hash-key-<project hash>
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

    Without `read` it is no part of the fingerprint: it is told elsewhere, or never. One that `is_hashed` is told only
    where that is asked for, and as a keyed hash: 32 hexadecimal digits, different in each project.
    """

    name: str
    mode: Literal["strict", "balanced", "full", "never"]
    why: str
    read: Callable[[Machine], Value] | None = None
    is_hashed: bool = False


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
    Signal(
        "screen",
        "full",
        "which sizes to design for: rounded to 100 pixels, in the context of a toolkit's windows",
    ),
    Signal("display", "full", "how large to draw: dots per inch rounded to 24, pixel ratio to a quarter, by `screen`"),
    Signal(
        "hostname",
        "full",
        "machines that were renamed, or are copies: only with `fingerprint_names`, as a keyed hash, never itself",
        facts.hostname,
        is_hashed=True,
    ),
    Signal(
        "user_name",
        "full",
        "accounts of one machine: only with `fingerprint_names`, as a keyed hash, never itself",
        facts.user_name,
        is_hashed=True,
    ),
    Signal(
        "home_path",
        "full",
        "homes that were moved: only with `fingerprint_names`, as a keyed hash, never itself",
        facts.home_path,
        is_hashed=True,
    ),
    Signal(
        "machine_id",
        "never",
        "identifies the machine everywhere; in full mode it is the key of a hash, by itself never",
    ),
    Signal("container_id", "never", "names a container, not a device; only is_container is told"),
    Signal("mac_address", "never", "identifies hardware everywhere, and is random on some machines"),
    Signal("hardware_serials", "never", "identify hardware for ever: disks, boards, processors"),
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
        self,
        *,
        privacy: Privacy,
        project: str,
        state_dir: Path | None,
        names: bool = False,
        machine: Machine | None = None,
    ) -> None:
        """Remember what to do; nothing is read or written yet. Without `state_dir` nothing will be stored.

        With `names` keyed hashes of the names of host, account and home folder are signals of `full` mode.
        """
        self._privacy = privacy
        self._project = project.encode("utf-8", "replace")
        of_project = hashlib.sha256(self._project).hexdigest()[:16]
        self._install_path = state_dir / f"install-id-{of_project}" if state_dir else None
        self._key_path = state_dir / f"hash-key-{of_project}" if state_dir else None
        self._tells_names = names and privacy == "full"
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
            machine_id, why_none = self._machine_id()
            device_id, components, confidence = self._identify(machine_id, why_none)
            signals = read_signals(self._privacy, self._machine, self._hasher(machine_id))
            digest = hashlib.sha256(self._project + b"\0" + msgspec.json.encode(signals, order="sorted"))
            self._known = Fingerprint(
                device_id, digest.hexdigest()[:32], signals, components, confidence, self._privacy
            )
        return self._known

    def forget(self) -> None:
        """Remove the install id and the key of hashes; the next fingerprint has new ones.

        What is made of the machine's id stays.

        >>> device = Fingerprinter(privacy="balanced", project="shop", state_dir=folder)
        >>> before = device.fingerprint().device_id
        >>> device.forget()
        >>> device.fingerprint().device_id == before
        False
        """
        self._process_id = os.urandom(16).hex()
        self._known = None
        for path in (self._install_path, self._key_path):
            if path is not None:
                try:
                    path.unlink(missing_ok=True)
                except OSError as exc:
                    logger.warning("%s could not be removed: %s", path.name, exc.strerror)

    def _identify(self, machine_id: str | None, why_none: str) -> tuple[str, dict[str, str], float]:
        """Return the device id, what it was made of, and the confidence in it."""
        if self._privacy == "strict":
            return self._process_id, {"process_id": "random, until this process ends"}, 0.0
        if machine_id:
            device_id = _keyed_hash(machine_id, self._project, _VERSION)
            return device_id, {"machine_id": "HMAC-SHA256, keyed by the machine's id"}, 0.99
        installed = read_install_id(self._install_path) if self._install_path else None
        reason = f" ({why_none})" if why_none else ""
        if installed:
            return installed, {"install_id": f"random, stored until it is removed{reason}"}, 0.5 if why_none else 0.9
        return self._process_id, {"process_id": f"random, nothing can be stored{reason}"}, 0.0

    def _machine_id(self) -> tuple[str | None, str]:
        """Return the machine's id where this mode makes use of it, else why it does not."""
        if self._privacy != "full":
            return None, ""
        copied = self._copied()
        found = None if copied else facts.machine_id(self._machine)
        return found, copied or ("" if found else "no machine id")

    def _copied(self) -> str | None:
        """Return why the machine's id may be another machine's too; None when nothing says so."""
        checks = {"container": facts.is_container, "CI": facts.is_ci, "virtual machine": facts.is_virtual}
        return next((name for name, check in checks.items() if check(self._machine)), None)

    def _hasher(self, machine_id: str | None) -> Callable[[str, str], str] | None:
        """Return what makes a signal's name and value a hash; None where that is not wanted, or nothing can be stored.

        The install id would be no key: it is sent, and whoever has it could try all likely names.
        """
        if not self._tells_names:
            return None
        key = machine_id or (read_install_id(self._key_path) if self._key_path else None)
        if key is None:
            return None
        version = (self._project, _VERSION)
        return lambda name, value: _keyed_hash(key, *version, name.encode(), value.encode("utf-8", "surrogatepass"))


def read_signals(
    privacy: Privacy, machine: Machine, hasher: Callable[[str, str], str] | None = None
) -> dict[str, Value]:
    """Return every signal that this mode may send and that this machine knows.

    `hasher` makes the hash of a name and value; without it no signal that is hashed is told.
    """
    allowed = (s for s in SIGNALS if _RANKS[s.mode] <= _RANKS[privacy] and (hasher or not s.is_hashed))
    found = {signal.name: _read(signal, machine, hasher) for signal in allowed}
    return {name: value for name, value in found.items() if value is not None and value != ""}


def _keyed_hash(key: str, *parts: bytes) -> str:
    """Return 32 hexadecimal digits, from which neither the key nor the parts can be had without the key."""
    import hmac

    return hmac.digest(key.encode(), b"\0".join((b"shockmouse", *parts)), "sha256").hex()[:32]


def read_install_id(path: Path) -> str | None:
    """Return the random id or key stored at `path`, made if there is none; None when the disk does not allow it."""
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


def _read(signal: Signal, machine: Machine, hasher: Callable[[str, str], str] | None) -> Value:
    """Return a signal's value, None when it cannot be had: a strange machine must not cost the program its events."""
    try:
        value = signal.read(machine) if signal.read else None
        return hasher(signal.name, str(value)) if signal.is_hashed and hasher and value else value
    except Exception as exc:  # readers ask systems that we have never seen
        logger.debug("signal %s cannot be read: %s", signal.name, type(exc).__name__)
        return None


def _utc_offset_hours() -> int:
    return time.localtime().tm_gmtoff // 3600
