"""Forms that were sent: the names of their fields, never a value, and not even the name where it is of a secret."""

from urllib.parse import unquote_plus

from ..privacy import redact
from .request import Request

MAX_FORM_BYTES = 64 << 10
MAX_FIELDS = 100
MAX_NAME_CHARACTERS = 80


def is_form(request: Request) -> bool:
    """Return whether the request submits an HTML form."""
    kind = request.header("content-type").partition(";")[0].strip().lower()
    return request.method == "POST" and kind in ("application/x-www-form-urlencoded", "multipart/form-data")


def readable_bytes(request: Request) -> int:
    """Return how long the form's body is; 0 if it is not looked at: long, of unknown length, or with files."""
    length = request.header("content-length")
    is_plain = request.header("content-type").startswith("application/x-www-form-urlencoded")
    size = int(length) if is_plain and length.isascii() and length.isdigit() and len(length) < 10 else 0
    return size if size <= MAX_FORM_BYTES and not request.header("content-encoding") else 0


def field_names(body: bytes) -> list[str]:
    """Return the fields' names in the order of the form, each once."""
    pairs = body.decode("ascii", "replace").split("&", 10 * MAX_FIELDS)
    names = dict.fromkeys(unquote_plus(pair.partition("=")[0])[:MAX_NAME_CHARACTERS] for pair in pairs)
    return [name for name in names if name and redact({name: "x"}) == {name: "x"}][:MAX_FIELDS]
