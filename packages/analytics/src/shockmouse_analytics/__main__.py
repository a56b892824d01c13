"""Commands of the client.

send NAME key=value…          record one event and deliver it
fingerprint --privacy MODE    print what would be told of this device, and what its id is made of
queue status|flush|clear      look at, send or forget what waits on disk
doctor                        check whether events can leave this machine, one line per check

Exit 0: done; 1: it did not work; 2: wrong usage. Errors are one line on stderr.
"""

import argparse
import contextlib
import logging
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from . import Analytics, __version__
from .config import PREFIX, ClientConfig
from .counts import Stats
from .doctor import examine, read_status, told
from .errors import (
    AnalyticsError,
    ConfigError,
    DeliveryError,
    RejectedError,
    StoreError,
    ThrottledError,
    UnreachableError,
)
from .fingerprint import Fingerprinter
from .left_behind import LeftBehind
from .privacy import COLLECTING, Consent
from .store_folders import Queues, StoreFolders
from .temporary import temporary_folder

SEND_SECONDS = 5.0
FLUSH_SECONDS = 60.0
WAITS = "the event waits on disk: it goes out with the next `send` or `queue flush` that reaches the server"
WAITS_FOR_KEY = (
    "the event waits on disk, as a key can be corrected: it goes out once the server takes one of this project"
)
REASONS = {"sampled": "this device is not in the sample, see `sample_rate`"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    logging.getLogger("shockmouse_analytics").setLevel(logging.CRITICAL)  # what is wrong is told once, by the command
    try:
        try:
            return _run(argv)
        finally:  # --help and a wrong use end the program themselves
            if sys.stdout is not None:
                sys.stdout.flush()
    except OSError as exc:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python tries to write it once more
        if isinstance(exc, BrokenPipeError):  # who read our output has seen enough
            return 0
        return _fail(f"the output cannot be written: {(exc.strerror or str(exc)).lower()}", 1)


def _run(argv: Sequence[str] | None) -> int:
    arguments = _parser().parse_args(argv)
    given = {name: getattr(arguments, name, None) for name in ClientConfig.__struct_fields__}
    settings = {name: value for name, value in given.items() if value is not None}
    try:
        return int(arguments.run(arguments, settings))
    except ConfigError as exc:
        return _fail(_for_a_shell(str(exc), settings), 2)
    except (AnalyticsError, ValueError, TypeError) as exc:
        return _fail(exc, 1)
    except OSError as exc:
        if exc.filename is None:  # standard output is none
            raise
        return _fail(f"{os.fsdecode(exc.filename)} cannot be used ({(exc.strerror or str(exc)).lower()})", 1)


def send(arguments: argparse.Namespace, settings: dict[str, Any]) -> int:
    """Deliver one event; what could not be delivered waits on disk."""
    for text in (arguments.name, *arguments.properties):
        _check_text(text)
    properties = dict(_property(text) for text in arguments.properties)
    if silent := _why_silent(ClientConfig.load(settings, os.environ)):
        raise AnalyticsError(f"not sent: {silent}")
    failed: DeliveryError | None = None
    is_acknowledged = False
    with Analytics(**settings, debug=True) as analytics:
        try:
            analytics.track(arguments.name, properties)
        except (ValueError, TypeError) as exc:
            raise ConfigError(str(exc)) from exc
        try:  # whichever process that shares the queue sends it
            is_acknowledged = analytics._flush_own(SEND_SECONDS)
        except DeliveryError as exc:
            failed = exc
    stats = analytics.stats()
    if failed is not None:
        raise AnalyticsError(f"{failed}{_what_next(failed, stats)}") from failed
    if stats.dropped:
        raise AnalyticsError(f"not sent: {', '.join(REASONS.get(reason, reason) for reason in stats.dropped)}")
    if stats.rejected:
        raise AnalyticsError(f"the server refuses the event: {', '.join(stats.rejected)}")
    if not is_acknowledged:
        raise AnalyticsError(f"not acknowledged within {SEND_SECONDS:g} s; {WAITS}")
    return 0


def _why_silent(config: ClientConfig) -> str:
    """Return why settings or the person's answers let nothing leave this machine; empty where events may."""
    return _why_refused(config) if config.enabled else "the client is switched off by `enabled`"


def _why_refused(config: ClientConfig) -> str:
    """Return which answer of the person lets nothing leave this machine; empty where events may."""
    consent = Consent(project=config.project, state_dir=config.state_dir())
    if config.before_consent != "collect" and COLLECTING not in consent.purposes:
        return consent.why_refused() or "nobody has agreed yet, and `before_consent` waits for that"
    return consent.why_refused()


def _check_text(argument: str) -> None:
    """Raise ConfigError for bytes that are no text; Python hides them in halves of surrogate pairs."""
    try:
        argument.encode()
    except UnicodeEncodeError as exc:
        shown = os.fsencode(argument).decode("utf-8", "backslashreplace")
        raise ConfigError(f"'{shown}' is not UTF-8: give text in that encoding") from exc


def _what_next(failed: DeliveryError, stats: Stats) -> str:
    """Return what becomes of an event that was not delivered."""
    if stats.dropped:
        return f"; the event is lost: {', '.join(stats.dropped)}"
    if isinstance(failed, UnreachableError | ThrottledError) and stats.stored:
        return f"; {WAITS}"
    return f"; {WAITS_FOR_KEY}" if isinstance(failed, RejectedError) and failed.mendable and stats.stored else ""


def fingerprint(arguments: argparse.Namespace, settings: dict[str, Any]) -> int:
    """Print the device's fingerprint as one JSON object."""
    config = ClientConfig.load({**settings, "enabled": False}, os.environ)
    state_dir = None if config.privacy == "strict" or not config.write_key else config.state_dir()
    known = Fingerprinter(
        privacy=config.privacy, project=config.project, state_dir=state_dir, names=config.fingerprint_names
    ).fingerprint()
    print(msgspec.json.format(msgspec.json.encode(known)).decode())
    if config.fingerprint_names and config.privacy != "full":
        _say("fingerprint_names adds signals in full mode only")
    if refused := _why_refused(config):
        _say(f"nothing is sent: {refused}")
    if not config.write_key:
        _say(f"ids belong to a project: give --write-key or set {PREFIX}WRITE_KEY to see those that are sent")
    return 0


def queue_status(arguments: argparse.Namespace, settings: dict[str, Any]) -> int:
    """Print what waits on disk as one JSON object."""
    queues = _queues(settings)
    print(msgspec.json.format(msgspec.json.encode(read_status(queues))).decode())
    return _end(queues)


def queue_flush(arguments: argparse.Namespace, settings: dict[str, Any]) -> int:
    """Send what waits on disk, of every process that has ended."""
    _queue_settings(settings)
    with Analytics(**settings, debug=True) as analytics:
        is_empty = analytics.deliver_stored(FLUSH_SECONDS)
    queues = _queues(settings)
    print(told(read_status(queues)))
    return _end(queues) or (0 if is_empty else 1)


def queue_clear(arguments: argparse.Namespace, settings: dict[str, Any]) -> int:
    """Forget what waits on disk, once somebody has said that it may be lost."""
    status = read_status(_queues(settings))
    events = status.events + sum(status.rejected.values())
    if events and not arguments.yes and not _agrees(f"{_in_words(events)} that the server does not have will be lost"):
        return 1
    forgotten, queues = 0, _queues(settings)
    for store in queues.stores:
        with contextlib.closing(store), store.writing():
            forgotten += store.clear()
    print(f"{_in_words(forgotten)} forgotten")
    return _end(queues)


def _in_words(events: int) -> str:
    return "1 event" if events == 1 else f"{events} events"


def _agrees(what: str) -> bool:
    """Return whether the person at the terminal wants this. Raises ConfigError: there is none."""
    if not sys.stdin.isatty():
        raise ConfigError(f"{what}: add --yes if it may")
    try:
        answer = input(f"{what}. Forget them? [y/N] ")
    except EOFError:
        answer = ""
    return answer.strip().lower() in ("y", "yes")


def open_queues(config: ClientConfig) -> Queues:
    """Return the queue on disk that clients with these settings share, and any that had to be kept in a worse folder.

    Raises StoreError: no folder can be used.
    """
    reasons: dict[Path, str] = {}
    folders = StoreFolders(
        [config.state_dir(), temporary_folder()],
        config.queue_name,
        owner=f"command {os.getpid()}",
        max_bytes=config.offline_bytes,
        complain=lambda folder, why: reasons.update({folder: f"{folder} cannot be used ({why})"}),
    )
    best = next(folders.open(), None)
    if best is None:
        raise StoreError("; ".join(reasons.values()) or "the queue is in use")
    closed = {path: events for path, events in folders.unusable.items() if events != 0}
    whys = [f"{_waiting_in(path, events)}: {reasons[path.parent]}" for path, events in closed.items()]
    return Queues([best, *LeftBehind(folders).stores(best)], "; ".join(whys))


def _waiting_in(path: Path, events: int | None) -> str:
    if events is None:
        return f"more events may wait in {path}"
    return f"1 more event waits in {path}" if events == 1 else f"{events} more events wait in {path}"


def _queues(settings: dict[str, Any]) -> Queues:
    return open_queues(_queue_settings(settings))


def _queue_settings(settings: dict[str, Any]) -> ClientConfig:
    """Return the settings of a command about one queue. Raises ConfigError, also where its folder is a file.

    A program goes on with another folder then; who asks about this one must not hear of that.
    """
    config = ClientConfig.load(settings, os.environ)
    folder = config.state_dir()
    nearest = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
    if not os.path.isdir(nearest):  # noqa: PTH112 - Path.is_dir() raises where it may not look
        raise ConfigError(f"offline_dir is {str(folder)!r}, but {str(nearest)!r} is no folder")
    return config


def _end(queues: Queues) -> int:
    """Return the exit code of a command that has done what it can with these queues."""
    return _fail(queues.closed, 1) if queues.closed else 0


class _Parser(argparse.ArgumentParser):
    """A parser that explains a wrong use in one line."""

    def error(self, message: str) -> NoReturn:
        sys.exit(_fail(f"{message}; see `{self.prog} --help`", 2))


def doctor(arguments: argparse.Namespace, settings: dict[str, Any]) -> int:
    """Print one line per check; return 0 if all passed."""
    config = ClientConfig.load(settings, os.environ)
    checks = examine(
        endpoint=config.endpoint,
        write_key=config.write_key,
        state_dir=config.state_dir(),
        open_queues=lambda: open_queues(config),
        silent=_why_silent(config),
    )
    code = 0
    for check in checks:
        print(f"{'ok' if check.passed else 'failed':7} {check.name}: {' '.join(check.what.split())}", flush=True)
        code = code if check.passed else 1
    return code


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="shockmouse-analytics", description="Send events, and see what is sent.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = _add(commands, "send", send, "record one event and deliver it")
    command.add_argument("name", metavar="NAME")
    command.add_argument(
        "properties", nargs="*", default=[], metavar="key=value", help="a value is JSON if it can be, else text"
    )

    command = _add(commands, "fingerprint", fingerprint, "print what would be told of this device")
    command.add_argument(
        "--fingerprint-names",
        action="store_const",
        const=True,
        help="with keyed hashes of the names of host, account and home folder, in full mode;"
        " else SHOCKMOUSE_CLIENT_FINGERPRINT_NAMES",
    )

    queue = commands.add_parser("queue", help="what waits on disk").add_subparsers(required=True, metavar="ACTION")
    _add(queue, "status", queue_status, "print what waits as JSON")
    _add(queue, "flush", queue_flush, "send it now")
    command = _add(queue, "clear", queue_clear, "forget it")
    command.add_argument("--yes", action="store_true", help="without asking")
    _add(commands, "doctor", doctor, "check whether events can leave this machine")
    return parser


def _add(commands: Any, name: str, run: Any, explanation: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=explanation, description=explanation)
    command.set_defaults(run=run)
    command.add_argument("--write-key", help="wk_…, else SHOCKMOUSE_CLIENT_WRITE_KEY")
    command.add_argument("--endpoint", help="the server's address, else SHOCKMOUSE_CLIENT_ENDPOINT")
    command.add_argument(
        "--privacy",
        choices=["strict", "balanced", "full"],
        help="how much is told of the device, balanced by default",
    )
    command.add_argument(
        "--offline-dir", help="folder of the queue and of the install id, else the user's state folder"
    )
    return command


def _property(text: str) -> tuple[str, Any]:
    key, separator, value = text.partition("=")
    if not key or not separator:
        raise ConfigError(f"{text!r} should be key=value")
    try:
        return key, msgspec.json.decode(value)
    except msgspec.DecodeError:
        return key, value


def _fail(what: Exception | str, code: int) -> int:
    _say(str(what))
    return code


def _say(what: str) -> None:
    print(f"shockmouse-analytics: {' '.join(what.split())}", file=sys.stderr)


def _for_a_shell(what: str, settings: dict[str, Any]) -> str:
    """Return the message with the setting that it begins with called as it was given: by its flag or its variable."""
    name = re.split("[^a-z_]", what, maxsplit=1)[0]
    if name not in ClientConfig.__struct_fields__:
        return what
    variable = f"{PREFIX}{name.upper()}"
    is_variable = name not in settings and bool(os.environ.get(variable))
    return (variable if is_variable else f"--{name.replace('_', '-')}") + what.removeprefix(name)


if __name__ == "__main__":
    sys.exit(main())
