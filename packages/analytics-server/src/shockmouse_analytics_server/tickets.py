"""Who is signed in to the dashboard, as the cookie says: a ticket for each project.

Cookie     tickets with ~ between, the project signed in to last first, MAX_TICKETS at most
Ticket     project, prefix of the read key, after a link that of the one it stands for; end, random letters,
           HMAC-SHA256 of these under the secret `cookies`. It ends early when the key is revoked, the project deleted,
           or, on this node, when it is signed out: a copy of it, too
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Iterable, Mapping

from msgspec import Struct, field

from .errors import QuestionError, UsageError
from .projects import COOKIES_SECRET, Directory

COOKIE = "shockmouse"
SEPARATOR = "~"
MAX_TICKETS = 20  # 3.3 KB at most: browsers take 4 KB


class Ticket(Struct, frozen=True):
    """Who is there, and by which read key; the random letters tell two of one second apart."""

    project: str
    prefix: str
    ends_at: int
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(9))


def sign(ticket: Ticket, secret: bytes) -> str:
    text = f"{ticket.project}.{ticket.prefix}.{ticket.ends_at}.{ticket.nonce}"
    return f"{text}.{hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()}"


def read_ticket(text: str, directory: Directory, now: float) -> Ticket | None:
    """Return what a signed ticket says, None when it is not ours or no longer good."""
    parts = text.split(".")
    secret = directory.secret(COOKIES_SECRET)
    if secret is None or len(parts) != 5 or not parts[2].isascii() or not parts[2].isdigit():
        return None
    ticket = Ticket(parts[0], parts[1], int(parts[2]), parts[3])
    if not hmac.compare_digest(sign(ticket, secret).encode(), text.encode()) or ticket.ends_at < now:
        return None
    try:
        directory.project(ticket.project)
    except UsageError:
        return None
    is_good = is_read_key(ticket.project, ticket.prefix, directory) and not directory.is_ended(ticket_hash(text))
    return ticket if is_good else None


def is_read_key(project: str, prefix: str, directory: Directory) -> bool:
    """Tell whether a read key of this prefix is active in the project."""
    return any(row.kind == "read" and row.prefix == prefix for row in directory.keys(project))


def tickets(cookies: Mapping[str, str], directory: Directory) -> list[Ticket]:
    """Return the good tickets of the cookie, the project signed in to last first."""
    texts = cookies.get(COOKIE, "").split(SEPARATOR)[:MAX_TICKETS]
    found = (read_ticket(text, directory, time.time()) for text in texts)
    return [ticket for ticket in found if ticket is not None]


def end_session(cookies: Mapping[str, str], directory: Directory) -> None:
    """End the cookie's tickets on this node, for whoever has a copy, too.

    Raises QuestionError: the secret is not here yet.
    """
    secret = cookie_secret(directory)
    ends = {ticket_hash(sign(ticket, secret)): float(ticket.ends_at) for ticket in tickets(cookies, directory)}
    directory.end_tickets(ends, time.time())


def ticket_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def write_cookie(held: Iterable[Ticket], directory: Directory) -> str:
    """Return the cookie's value for these tickets.

    Raises QuestionError: the secret is not here yet.
    """
    secret = cookie_secret(directory)
    return SEPARATOR.join(sign(ticket, secret) for ticket in list(held)[:MAX_TICKETS])


def choose_project(held: list[Ticket], name: str | None) -> str | None:
    """Return the project of that name, or the one signed in to last; None: there is no ticket for it."""
    named = (ticket.project for ticket in held if name in (None, ticket.project))
    return next(named, None)


def write_token(cookie: str, directory: Directory) -> str:
    """Return what our own script must send with a write of this cookie's session.

    Raises QuestionError: the secret is not here yet.
    """
    return hmac.new(cookie_secret(directory), b"write:" + cookie.encode(), hashlib.sha256).hexdigest()


def is_write_token(given: str, cookie: str, directory: Directory) -> bool:
    return hmac.compare_digest(given.encode(), write_token(cookie, directory).encode())


def cookie_secret(directory: Directory) -> bytes:
    secret = directory.secret(COOKIES_SECRET)
    if secret is None:
        raise QuestionError("the server is not ready for this yet", code="not_ready", status=503)
    return secret
