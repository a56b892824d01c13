"""Commands of Click and Typer programs: which one ran, how long, and how it ended; never what was typed.

`track_commands(cli, analytics)` changes nothing that the program sees: results, exceptions and exit codes go on. The
event has type `track` and the name "Command ended"; the command is its path of declared names, so that an argument's
value can never be in it. Click is not imported: the group is told by what it has.
"""

import functools
import time
from collections.abc import Callable
from typing import Any, TypeVar

from ..analytics import Analytics

NAME = "Command ended"

Command = TypeVar("Command")


def track_commands(command: Command, analytics: Analytics) -> Command:
    """Return the command, which from now on tells of each run; for Typer, `typer.main.get_command(app)`.

    Raises TypeError: it is no command of Click.

    >>> track_commands(print, analytics)
    Traceback (most recent call last):
    TypeError: builtin_function_or_method is no command of Click; for Typer give typer.main.get_command(app)
    """
    if not callable(getattr(command, "invoke", None)) or not hasattr(command, "params"):
        raise TypeError(f"{type(command).__name__} is no command of Click; for Typer give typer.main.get_command(app)")
    _watch(command, analytics, set())
    return command


def _watch(command: Any, analytics: Analytics, seen: set[int]) -> None:
    if id(command) in seen:
        return
    seen.add(id(command))
    subcommands = getattr(command, "commands", {})
    for subcommand in subcommands.values():
        _watch(subcommand, analytics, seen)
    if not subcommands or getattr(command, "invoke_without_command", False):
        command.invoke = _told(command.invoke, analytics, is_group=bool(subcommands))


def _told(invoke: Callable[[Any], Any], analytics: Analytics, *, is_group: bool) -> Callable[[Any], Any]:
    @functools.wraps(invoke)
    def told(context: Any) -> Any:
        started = time.perf_counter()
        code, failure = 0, None
        try:
            return invoke(context)
        except BaseException as exc:
            code, failure = exit_code(exc), type(exc).__name__
            raise
        finally:
            if not is_group or context.invoked_subcommand is None:
                duration_ms = round((time.perf_counter() - started) * 1000, 3)
                ended = {"command": context.command_path, "duration_ms": duration_ms, "exit_code": code}
                # The way of ending a program is no failure.
                analytics.track(NAME, ended if not code else {**ended, "exception": failure})

    return told


def exit_code(exc: BaseException) -> int:
    """Return the code with which a program ends that lets this exception pass."""
    if isinstance(exc, KeyboardInterrupt):
        return 130
    code = exc.code if isinstance(exc, SystemExit) else getattr(exc, "exit_code", 1)
    return code if isinstance(code, int) else 0 if code is None else 1
