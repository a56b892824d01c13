"""Who asks: the key that a request carries decides the project, and its kind what may be asked; no parameter does.

read    questions                       Authorization: Bearer rk_…
admin   the project, its keys and data  Authorization: Bearer ak_…
"""

from msgspec import Struct

from .errors import QuestionError
from .projects import Directory, Key


class Use(Struct, frozen=True):
    """A kind of use: what it needs in words, and how such a key looks."""

    needs: str
    example: str


USES = {
    "read": Use("questions need a read key", "give a read key: Authorization: Bearer rk_…"),
    "admin": Use("administration needs an admin key", "give an admin key: Authorization: Bearer ak_…"),
}


def find_key(authorization: str, directory: Directory, kind: str) -> Key:
    """Return the key of this kind in the header.

    Raises QuestionError: there is none, it is unknown or revoked, or it is of another kind.
    """
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise QuestionError(USES[kind].example, code="no_key", status=401)
    key = directory.find_key(token.strip())
    if key is None:
        raise QuestionError(USES[kind].example, code="unknown_key", status=401)
    if key.kind != kind:
        reason = f"{USES[kind].needs}, and this is another kind: {key.kind}"
        raise QuestionError(reason, code="wrong_key", status=403)
    return key
