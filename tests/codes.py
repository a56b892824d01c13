"""The codes that the server's source can answer with, read from it: for tables that must name them all."""

import ast
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from msgspec.structs import fields


def given(function: str, position: int, *modules: str, first: object = None) -> Iterator[str]:
    """Yield the texts that stand as this argument where the modules call the function, with this first argument."""
    package = files("shockmouse_analytics_server")
    for module in modules:
        for node in ast.walk(ast.parse(package.joinpath(module).read_text(encoding="utf-8"))):
            name = getattr(node.func, "id", getattr(node.func, "attr", "")) if isinstance(node, ast.Call) else ""
            if name != function or len(node.args) <= position or (first is not None and value(node.args[0]) != first):
                continue
            yield from constants(node.args[position])


def value(node: ast.expr) -> object:
    """Return what an expression is: a constant's value, or a name."""
    return node.value if isinstance(node, ast.Constant) else getattr(node, "id", None)


def constants(node: ast.expr) -> list[str]:
    """Return the text that an expression is, or those it chooses between."""
    choices = [node.body, node.orelse] if isinstance(node, ast.IfExp) else [node]
    return [each.value for each in choices if isinstance(each, ast.Constant) and isinstance(each.value, str)]


def members(kind: Any) -> set[str]:
    """Return the codes of a struct's members that may be refused; keys are read apart."""
    return {f"bad_{field.name}" for field in fields(kind)} - {"bad_key", "bad_write_key"}
