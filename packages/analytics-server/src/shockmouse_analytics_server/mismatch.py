"""Why JSON does not fit a type, in words that name the field, what stands there and what fits: for who sent it."""

import re
from typing import Any

import msgspec
from msgspec import DecodeError, inspect

MAX_SHOWN = 40

_SPLIT = re.compile(r"(.*?)(?: - at (`key` in )?`\$(.*)`)?", re.DOTALL)
_STEP = re.compile(r"\.(\w+)|\[(\d*)[^\]]*\]")
_LENGTH = re.compile(r"Expected `(\w+)` of (at most )?length (?:(<=|>=|==) )?(\d+)")
_BOUND = re.compile(r"Expected `(\w+)` (<=|>=|<|>) (\S+)")
_KIND = re.compile(r"Expected `([^`]+)`")
_MEMBER = re.compile(r"Object (missing required|contains unknown) field `([^`]*)`")
_WORDS = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "null",
    "uuid": "a UUID",
    "datetime": "an RFC 3339 time",
}
LONE_SURROGATE = re.compile(
    rb"(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})"
)
_AMOUNTS = {"<=": "at most", ">=": "at least", "==": "exactly", "<": "less than", ">": "more than"}


def explain(error: Exception, raw: bytes | msgspec.Raw, kind: Any, whole: str, *, prefix: str = "") -> str:
    """Return one line about a DecodeError of JSON that was to become `kind`.

    `whole` is what the JSON is called; `prefix` leads the names of its fields where it is a part of something.
    """
    text = str(error)
    if isinstance(error, UnicodeDecodeError):
        return f"{whole}: a text is not valid Unicode"
    if isinstance(error, RecursionError):
        return f"{whole}: nested too deeply"
    if not isinstance(error, msgspec.ValidationError):
        if LONE_SURROGATE.search(bytes(raw).replace(rb"\\", rb"\u005c")):  # msgspec says that the text ends
            return f"{whole}: a text is not valid Unicode"
        ends = isinstance(error, DecodeError) and "truncated" in text
        return f"{whole}: not valid JSON: {'it ends too early' if ends else text.partition('malformed: ')[2] or text}"
    matched = _SPLIT.fullmatch(text)
    assert matched is not None
    found, path = matched[1], matched[3] or ""
    label = f"{prefix}{path}".removeprefix(".") or whole
    if member := _MEMBER.match(found):
        name = f"{prefix}{path}.{member[2]}".removeprefix(".")
        if member[1] == "missing required":
            return f"{name} is missing"
        return f"{name} is unknown; the fields are {', '.join(_names(_types_at(kind, path)))}"
    fitting = _fitting(found, _types_at(kind, path))
    if matched[2] or "[...]" in path:
        return f"{'a key' if matched[2] else 'a value'} in {label.partition('[...]')[0]} should be {fitting}"
    return f"{label} is {_shown(raw, path)}, but should be {fitting}"


def _fitting(found: str, types: list[inspect.Type]) -> str:
    """Return in words what would have fitted."""
    choices = [value for one in types if isinstance(one, inspect.LiteralType) for value in one.values]
    if choices:
        words = [value if isinstance(value, str) else msgspec.json.encode(value).decode() for value in choices]
        named = ", ".join(word for word in words if word)
        return f"{'one of ' if len(words) > 1 else ''}{named}{' or empty' if '' in words else ''}"
    if length := _LENGTH.match(found):
        amount = "at most" if length[2] else _AMOUNTS.get(length[3], "exactly")
        unit = ("character" if length[1] == "str" else "member") + ("" if length[4] == "1" else "s")
        return f"{_WORDS.get(length[1], length[1])} of {amount} {length[4]} {unit}"
    if bound := _BOUND.match(found):
        return f"{_WORDS.get(bound[1], bound[1])} of {_AMOUNTS[bound[2]]} {float(bound[3]):g}"
    if expected := _KIND.match(found):
        return " or ".join(_WORDS.get(word, word) for word in expected[1].split(" | "))
    if "RFC3339" in found:
        return _WORDS["datetime"]
    if "UUID" in found:
        return _WORDS["uuid"]
    return "a number of at most 64 bits" if "out of range" in found else found


def _types_at(kind: Any, path: str) -> list[inspect.Type]:
    """Return the types that may stand at the path."""
    types = _options(inspect.type_info(kind))
    for name, _ in _STEP.findall(path):
        below: list[inspect.Type] = []
        for one in types:
            if isinstance(one, inspect.StructType):
                below += [part for field in one.fields if field.encode_name == name for part in _options(field.type)]
            elif isinstance(one, inspect.VarTupleType | inspect.ListType):
                below += _options(one.item_type)
            elif isinstance(one, inspect.DictType):
                below += _options(one.value_type)
        types = below
    return types


def _options(kind: inspect.Type) -> list[inspect.Type]:
    while isinstance(kind, inspect.Metadata):
        kind = kind.type
    return [part for one in kind.types for part in _options(one)] if isinstance(kind, inspect.UnionType) else [kind]


def _names(types: list[inspect.Type]) -> list[str]:
    """Return the fields of an object."""
    return [field.encode_name for one in types if isinstance(one, inspect.StructType) for field in one.fields]


def _shown(raw: bytes | msgspec.Raw, path: str) -> str:
    """Return what stands at the path; of a long text its beginning, of a list or an object only that it is one."""
    try:
        value = msgspec.json.decode(raw)
        for name, index in _STEP.findall(path):
            value = value[name] if name else value[int(index)]
    except (DecodeError, UnicodeDecodeError, LookupError, TypeError, ValueError, RecursionError):
        return "something else"
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else f"a list of {len(value)}"
    shown = msgspec.json.encode(value).decode()
    return shown if len(shown) <= MAX_SHOWN else f"{shown[:MAX_SHOWN]}… ({len(str(value))} characters)"
