"""Changes to projects, keys and salts: ClickHouse first, then this node's mirror; other nodes follow by `sync`.

Versions   a row counts by its greatest version: microseconds since 1970 for projects and keys, so the last change
           wins; counted down from 2^63 for secrets, so that the first one made wins on every node
Order      changes of projects and keys happen one after another on a node, in whatever process; nodes that share a
           database have no lock between them
"""

import contextlib
import time
import zoneinfo
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, structs

from . import audit
from .clickhouse import Database
from .errors import LockedError, NameTakenError, ServerError, UsageError
from .keys import KINDS, PROJECT_NAME, make_token, token_hash, token_prefix
from .locks import hold
from .projects import (
    COOKIES_SECRET,
    KEYS_SECRET,
    MAX_DAYS,
    SALT_PREFIX,
    SUBJECTS_SECRET,
    Directory,
    KeyRow,
    Project,
    Secret,
    make_secret,
    salt_name,
)
from .tombstones import Tombstone

Stored = TypeVar("Stored", Project, KeyRow, Secret, Tombstone)

COMMAND = "command"  # who did it, in the audit log; else the prefix of the key that asked
FIRST = "default"  # the project that serve makes, of whoever runs the server
ACTIVE_KEYS = 2
CHANGE_SECONDS = 30.0
IP_MODES = ("truncate", "drop", "keep")
NO_ZONES = frozenset(("Factory", "localtime"))  # listed with the zones: no zone, and whatever this machine has
PROJECT_COLUMNS = (
    "project",
    "created_at",
    "deleted",
    "retention_days",
    "rollup_retention_days",
    "ip",
    "timezone",
    "version",
)
KEY_COLUMNS = ("project", "kind", "prefix", "hash", "token", "created_at", "revoked_at", "version")
SECRET_COLUMNS = ("name", "value", "created_at", "version")
TOMBSTONE_COLUMNS = ("project", "subject_hash", "at", "until")
READ_PROJECTS = """
select project, toUnixTimestamp64Milli(created_at) / 1000 as created_at, deleted, retention_days,
rollup_retention_days, ip, timezone, version from projects final
"""
READ_KEYS = """
select project, kind, prefix, hash, token, toUnixTimestamp64Milli(created_at) / 1000 as created_at,
toUnixTimestamp64Milli(revoked_at) / 1000 as revoked_at, version from keys final
"""
READ_SECRETS = """
select name, value, toUnixTimestamp64Milli(created_at) / 1000 as created_at, version from secrets final
"""
READ_TOMBSTONES = """
select project, subject_hash, toUnixTimestamp64Milli(at) / 1000 as at, toUnixTimestamp64Milli(until) / 1000 as until
from tombstones final where until > now64(3, 'UTC')
"""
DESTROY_SALTS = "alter table secrets delete where startsWith(name, 'salt:') and name < {before:String}"


class NewKeys(Struct, frozen=True):
    """The keys of a new project, whole: the only time that two of them are seen."""

    project: str
    write_key: str
    read_key: str
    admin_key: str


class ProjectChange(Struct, frozen=True, kw_only=True):
    """Settings to change; None leaves one as it is."""

    retention_days: int | None = None
    rollup_retention_days: int | None = None
    ip: str | None = None
    timezone: str | None = None


async def sync(database: Database, directory: Directory, now: float) -> None:
    """Bring the mirror up to ClickHouse's rows; make the secrets and salts that are missing, destroy old salts."""
    today = datetime.fromtimestamp(now, UTC).date()
    stored = await read_rows(database, READ_SECRETS, Secret)
    wanted = (KEYS_SECRET, COOKIES_SECRET, SUBJECTS_SECRET, salt_name(today), salt_name(today + timedelta(days=1)))
    missing = [name for name in wanted if name not in {secret.name for secret in stored}]
    if missing:
        own = {secret.name: secret for secret in directory.stored_secrets()}
        version = (1 << 63) - int(now * 1e6)
        made = [
            structs.replace(own.get(name) or make_secret(name, now, version=0), version=version) for name in missing
        ]
        await insert_rows(database, "secrets", SECRET_COLUMNS, made)
        stored = await read_rows(database, READ_SECRETS, Secret)
    projects = await read_rows(database, READ_PROJECTS, Project)
    keys = await read_rows(database, READ_KEYS, KeyRow)
    oldest = today - timedelta(days=1)
    is_old = [secret.name.startswith(SALT_PREFIX) and secret.name < salt_name(oldest) for secret in stored]
    fresh = [secret for secret, old in zip(stored, is_old, strict=True) if not old]
    tombstones = await read_rows(database, READ_TOMBSTONES, Tombstone)
    directory.store(projects=projects, keys=keys, secrets=fresh, tombstones=tombstones)
    directory.destroy_salts(oldest)
    directory.end_tombstones(now)
    if any(is_old):
        await database.execute(DESTROY_SALTS, params={"before": salt_name(oldest)}, settings={"mutations_sync": 1})


@contextlib.asynccontextmanager
async def changing(database: Database, directory: Directory) -> AsyncIterator[None]:
    """Inside, nobody else on this node changes projects or keys, and the mirror is what ClickHouse has.

    Raises LockedError: others had their turn for CHANGE_SECONDS.
    """
    async with contextlib.AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(hold(directory.changes_lock, CHANGE_SECONDS))
        except LockedError as exc:
            raise LockedError("others are changing projects or keys; try again in a moment") from exc
        await sync(database, directory, time.time())
        yield


async def create_project(
    database: Database, directory: Directory, name: str, defaults: ProjectChange, *, who: str = COMMAND
) -> NewKeys:
    """Return the keys of a new project that works on every worker of this node now.

    Raises UsageError: no name for a project. NameTakenError: the name is or was in use.
    """
    check_name(name)
    async with changing(database, directory):
        return await add_project(database, directory, name, defaults, who)


async def add_project(
    database: Database, directory: Directory, name: str, defaults: ProjectChange, who: str
) -> NewKeys:
    """Return the keys of a new project. Raises NameTakenError: the name is or was in use."""
    taken = {project.name: project for project in await read_rows(database, READ_PROJECTS, Project)}
    if name in taken:
        state = "was deleted: choose a new name" if taken[name].deleted else "exists"
        raise NameTakenError(f"the project {name} {state}")
    blank = Project(
        name=name,
        created_at=time.time(),
        retention_days=0,
        rollup_retention_days=0,
        ip="truncate",
        timezone="UTC",
        version=new_version(),
    )
    tokens = {kind: make_token(kind, name) for kind in KINDS}
    keys = [key_row(directory, name, kind, token) for kind, token in tokens.items()]
    project = changed(blank, defaults)
    await insert_rows(database, "keys", KEY_COLUMNS, keys)
    await insert_rows(database, "projects", PROJECT_COLUMNS, [project])
    directory.store(projects=[project], keys=keys)
    await audit.note(database, name, who, "create", {"keys": [row.prefix for row in keys]})
    return NewKeys(name, tokens["write"], tokens["read"], tokens["admin"])


async def create_first_project(database: Database, directory: Directory, defaults: ProjectChange) -> NewKeys | None:
    """Create the project FIRST where there never was a project; return its keys."""
    if await read_rows(database, READ_PROJECTS, Project):
        return None
    return await create_project(database, directory, FIRST, defaults)


async def set_project(
    database: Database, directory: Directory, project: Project, change: ProjectChange, *, who: str = COMMAND
) -> Project:
    """Return the project as it is from now on, on this node at once.

    Raises UsageError: a setting that does not fit, or the project was deleted meanwhile.
    """
    async with changing(database, directory):
        old = directory.project(project.name)
        new = structs.replace(changed(old, change), version=new_version())
        await insert_rows(database, "projects", PROJECT_COLUMNS, [new])
        directory.store(projects=[new])
        before, after = settings_of(old), settings_of(new)
        changes: dict[str, object] = {
            name: [before[name], after[name]] for name in after if before[name] != after[name]
        }
        await audit.note(database, project.name, who, "set", changes)
    return new


async def rotate_key(database: Database, directory: Directory, project: str, kind: str, *, who: str = COMMAND) -> str:
    """Return a new key; the one before stays until the next rotation, all older ones are revoked.

    Raises UsageError: the project was deleted meanwhile.
    """
    token = make_token(kind, project)
    async with changing(database, directory):
        active = [row for row in directory.keys(directory.project(project).name) if row.kind == kind]
        revoked = [revoke(row) for row in active[ACTIVE_KEYS - 1 :]]
        rows = [key_row(directory, project, kind, token), *revoked]
        await insert_rows(database, "keys", KEY_COLUMNS, rows)
        directory.store(keys=rows)
        detail: dict[str, object] = {"key": rows[0].prefix, "revoked": [row.prefix for row in revoked]}
        await audit.note(database, project, who, "rotate", detail)
    return token


async def delete_project(database: Database, directory: Directory, project: Project, *, who: str = COMMAND) -> None:
    """Revoke the project's keys and end it; its name stays taken, its events end with their retention."""
    async with changing(database, directory):
        keys = [revoke(row) for row in directory.keys(project.name)]
        gone = structs.replace(project, deleted=True, version=new_version())
        await insert_rows(database, "projects", PROJECT_COLUMNS, [gone])
        await insert_rows(database, "keys", KEY_COLUMNS, keys)
        directory.store(projects=[gone], keys=keys)
        await audit.note(database, project.name, who, "delete", {"revoked": [row.prefix for row in keys]})


async def add_tombstones(database: Database, directory: Directory, tombstones: Sequence[Tombstone]) -> None:
    """Late events of these subjects are dropped: on this node within a second, on others within `sync`'s time."""
    directory.store(tombstones=tombstones)
    await insert_rows(database, "tombstones", TOMBSTONE_COLUMNS, tombstones)


def changed(project: Project, change: ProjectChange) -> Project:
    """Return the project with the change's settings. Raises UsageError: one does not fit."""
    check_change(change)
    given = {name: value for name, value in structs.asdict(change).items() if value is not None}
    return structs.replace(project, **given)


def check_name(name: str) -> None:
    """Raise UsageError when no project may have this name."""
    if not PROJECT_NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot name a project: at most 32 of a-z, 0-9 and -, not first a -")


def check_change(change: ProjectChange) -> None:
    """Raise UsageError when one of the settings does not fit."""
    for days in (change.retention_days, change.rollup_retention_days):
        if days is not None and not 0 <= days <= MAX_DAYS:
            raise UsageError(f"{days} days: expected 0 (for ever) to {MAX_DAYS}")
    if change.ip is not None and change.ip not in IP_MODES:
        raise UsageError(f"{change.ip!r}: expected one of {', '.join(IP_MODES)}")
    if change.timezone is not None and not is_zone(change.timezone):
        raise UsageError(f"{change.timezone!r} is not a time zone such as Europe/Paris")


def is_zone(name: str) -> bool:
    return name == "UTC" or name in zoneinfo.available_timezones() - NO_ZONES


def key_row(directory: Directory, project: str, kind: str, token: str) -> KeyRow:
    secret = directory.secret(KEYS_SECRET)
    prefix = token_prefix(token)
    if secret is None or prefix is None:
        raise ServerError("keys cannot be made before the secrets are here: sync first")
    return KeyRow(
        project=project,
        kind=kind,
        prefix=prefix,
        hash=token_hash(token, secret),
        token=token if kind == "write" else "",
        created_at=time.time(),
        version=new_version(),
    )


def revoke(row: KeyRow) -> KeyRow:
    return structs.replace(row, revoked_at=time.time(), version=new_version())


def settings_of(project: Project) -> dict[str, str | int]:
    """Return the project's settings as they are shown."""
    return {
        "project": project.name,
        "retention_days": project.retention_days,
        "rollup_retention_days": project.rollup_retention_days,
        "ip": project.ip,
        "timezone": project.timezone,
    }


def shown_keys(rows: Sequence[KeyRow]) -> list[dict[str, str]]:
    """Return the keys as they may be shown: write keys whole, of the others the first letters."""
    return [
        {"kind": row.kind, "key": row.token or f"{row.prefix}…", "created_at": written(row.created_at)} for row in rows
    ]


def written(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def new_version() -> int:
    return time.time_ns() // 1000


async def read_rows(database: Database, sql: str, kind: type[Stored]) -> list[Stored]:
    rows: list[dict[str, Any]] = await database.fetch(sql)
    return [msgspec.convert(list(row.values()), kind, strict=False) for row in rows]


async def insert_rows(database: Database, table: str, columns: Sequence[str], rows: Sequence[Struct]) -> None:
    if rows:
        await database.insert(table, columns, b"\n".join(map(msgspec.json.encode, rows)))
