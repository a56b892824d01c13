"""`shockmouse-analytics-server COMMAND`: exit 0 done, 1 failed, 2 wrong usage; errors are one line on stderr."""

import argparse
import logging
import os
import sys
from collections.abc import Callable

from . import __version__, config, logs
from .commands import backups, checks, exports, imports, migrations, privacy, projects, serving, spooling
from .commands.options import PROGRAM, Parser, given_flags
from .errors import ConfigError, NoProjectError, ServerError, UsageError, in_words
from .lifeline import end_with_parent


def main() -> int:
    os.umask(0o077)
    arguments = sys.argv[1:]
    if arguments and arguments[0] in CHILDREN:
        return CHILDREN[arguments[0]](arguments[1:])
    options = make_parser().parse_args(arguments)
    try:
        return run(options)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # who read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def run(options: argparse.Namespace) -> int:
    """Run the command; what goes wrong becomes one line and an exit code."""
    try:
        settings = config.load(given_flags(options), os.environ)
    except ConfigError as exc:
        return fail(exc, 2)
    try:
        logs.set_up("command", level="warning", form=settings.log_format)
        code: int = options.run(options, settings)
    except UsageError as exc:
        return fail(exc, 1 if isinstance(exc, NoProjectError) else 2)
    except (ServerError, OSError) as exc:
        if isinstance(exc, BrokenPipeError):
            raise
        return fail(exc, 1)
    return code


def fail(error: Exception, code: int) -> int:
    line = logs.BREAKS.sub(" ", in_words(error))
    sys.stderr.write(f"{PROGRAM}: {line}\n")
    return code


def make_parser() -> Parser:
    parser = Parser(prog=PROGRAM, description="Self-hosted analytics: events in, kept on disk, counted exactly.")
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    for family in (serving, migrations, projects, spooling, exports, imports, privacy, backups, checks):
        family.add(commands)
    return parser


def run_child(role: str, body: Callable[[config.ServerConfig], int]) -> int:
    """Run a process of `serve`: its settings are in the environment, its life hangs on the supervisor's."""
    end_with_parent()
    settings = config.load({}, os.environ)
    logs.set_up(role, level=settings.log_level, form=settings.log_format)
    try:
        return body(settings)
    except Exception:
        logging.getLogger(__name__).exception("%s failed", role)
        return 1


def run_http(arguments: list[str]) -> int:
    from . import workers

    parser = Parser(prog="_http")
    parser.add_argument("--listen-fd", type=int, required=True)
    listen_fd = parser.parse_args(arguments).listen_fd
    return run_child("http", lambda settings: workers.run_http(settings, listen_fd))


def run_loader(_: list[str]) -> int:
    from . import loading

    return run_child("loader", loading.run_loader)


def run_engine(arguments: list[str]) -> int:
    from . import embedded

    return run_child("engine", lambda _: embedded.main(arguments))


CHILDREN = {"_http": run_http, "_loader": run_loader, "_engine": run_engine}

if __name__ == "__main__":
    sys.exit(main())
