"""How commands are declared: parsers whose errors are one line, and every setting as a flag."""

import argparse
import difflib
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from ..config import FIELDS, ServerConfig, default_data_dir, flag_name, meaning_of, shape_of, variable_name, written

Run = Callable[[argparse.Namespace, ServerConfig], int]
Commands = Any  # argparse's collection of subparsers has no public type
SETTING = "setting_"
PROGRAM = "shockmouse-analytics-server"
USUAL = ("data_dir", *(field for field in FIELDS if field.startswith("clickhouse_")))


class Parser(argparse.ArgumentParser):
    """A parser that takes no abbreviations and explains a wrong use in one line."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{"allow_abbrev": False, **options})

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Refuse an unknown flag here, where those are known that it may mean."""
        found, rest = super().parse_known_args(args, namespace)
        flags = [word.partition("=")[0] for word in rest if word.startswith("--")]
        if flags:
            near = difflib.get_close_matches(flags[0], self._option_string_actions, n=1)
            self.error(f"unknown flag {flags[0]}{f' (did you mean {near[0]}?)' if near else ''}")
        return found, rest

    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"{self.prog}: {message}; see `{self.prog} --help`\n")
        sys.exit(2)


def add_command(
    commands: Commands, name: str, run: Run, about: str, *, without: Iterable[str] = (), shows: Iterable[str] = ()
) -> Parser:
    """Return the parser of a new command that takes every setting but those it gives a meaning of its own.

    Its help shows where data and database are and the settings in `shows`; that of `serve` shows all.
    """
    parser: Parser = commands.add_parser(name, help=about, description=about)
    shown = {*USUAL, *shows}
    rest = "" if shown >= {*FIELDS} else f"; all of `{PROGRAM} serve --help` are taken here too"
    settings = parser.add_argument_group("settings", f"a flag goes before its variable, that before the default{rest}")
    for field in FIELDS:
        if field not in without:
            flag, variable = flag_name(field), variable_name(field)
            told = f"{meaning_of(field)} ({default_of(field)}; {variable})" if field in shown else argparse.SUPPRESS
            settings.add_argument(flag, dest=SETTING + field, metavar=shape_of(field), help=told)
    parser.set_defaults(run=run)
    return parser


def add_group(commands: Commands, name: str, about: str) -> Commands:
    """Return the collection for a command's own commands."""
    parser: Parser = commands.add_parser(name, help=about, description=about)
    return parser.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)


def default_of(field: str) -> str:
    value = default_data_dir() if field == "data_dir" else FIELDS[field].default
    return "default: none" if value is None else f"default: {written(value)}"


def given_flags(options: argparse.Namespace) -> dict[str, str | None]:
    found = vars(options).items()
    return {name.removeprefix(SETTING): value for name, value in found if name.startswith(SETTING)}


def tell(line: str) -> None:
    """Show the progress of long work where somebody looks."""
    if sys.stderr.isatty():
        sys.stderr.write(line + "\n")
