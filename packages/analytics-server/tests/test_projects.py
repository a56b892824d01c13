"""Projects, keys and salts: what a key allows, how soon changes are seen, what is written down of secrets."""

import stat
import threading
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec import structs

from shockmouse_analytics_server import registry
from shockmouse_analytics_server.clickhouse import Database
from shockmouse_analytics_server.errors import ServerError, UsageError
from shockmouse_analytics_server.keys import make_token, token_prefix
from shockmouse_analytics_server.links import LIFETIME_SECONDS, Link, add_link, use_link
from shockmouse_analytics_server.projects import KEYS_SECRET, Directory, Key, KeyRow, Project, make_secret, salt_name
from shockmouse_analytics_server.registry import ProjectChange, key_row, revoke

from .conftest import Place

DEFAULTS = ProjectChange(retention_days=395, rollup_retention_days=0, ip="truncate", timezone="UTC")
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()
DAY = 86_400.0


def project(name: str, **overrides: object) -> Project:
    plain = Project(
        name=name, created_at=1.5, retention_days=395, rollup_retention_days=0, ip="truncate", timezone="UTC", version=1
    )
    return structs.replace(plain, **overrides)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "directory.sqlite"


@pytest.fixture
def directory(path: Path) -> Iterator[Directory]:
    with Directory(path) as opened:
        opened.store(secrets=[make_secret(KEYS_SECRET, 0.0, version=1)], projects=[project("site")])
        yield opened


def add_key(directory: Directory, kind: str = "write", name: str = "site") -> tuple[str, KeyRow]:
    token = make_token(kind, name)
    row = key_row(directory, name, kind, token)
    directory.store(keys=[row])
    return token, row


@pytest.mark.parametrize("kind", ["write", "read", "admin"])
def test_a_key_allows_one_kind_of_use_of_its_project(directory: Directory, kind: str) -> None:
    token, row = add_key(directory, kind)
    assert directory.find_key(token) == Key("site", kind, row.prefix)


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token[:-1] + ("a" if token[-1] != "a" else "b"),
        lambda token: token + "a",
        lambda token: token[:-1],
        lambda token: token.replace("wk_", "rk_"),
        lambda token: token.replace("_site_", "_other_"),
        lambda token: token + "\n",
        lambda token: "",
        lambda token: "wk_site_" + "é" * 32,
    ],
)
def test_no_other_token_is_a_key(directory: Directory, change: Callable[[str], str]) -> None:
    token, _ = add_key(directory)
    assert directory.find_key(change(token)) is None


def test_a_new_key_is_known_to_every_process_at_once(path: Path, directory: Directory) -> None:
    with Directory(path) as other:
        assert other.find_key(make_token("write", "site")) is None
        token, row = add_key(directory)
        assert other.find_key(token) == Key("site", "write", row.prefix)


def test_a_revoked_key_ends_here_at_once_and_elsewhere_within_two_seconds(path: Path, directory: Directory) -> None:
    token, row = add_key(directory)
    with Directory(path) as other:
        assert other.find_key(token) is not None
        directory.store(keys=[revoke(row)])
        assert directory.find_key(token) is None
        ended = threading.Event()
        for _ in range(40):
            if other.find_key(token) is None:
                ended.set()
                break
            ended.wait(0.05)
        assert ended.is_set()


def test_the_keys_of_a_deleted_project_allow_nothing(directory: Directory) -> None:
    token, _ = add_key(directory)
    directory.store(projects=[project("site", deleted=True, version=2)])
    assert directory.find_key(token) is None
    with pytest.raises(UsageError, match="no project 'site'"):
        directory.project("site")


def test_an_older_row_never_replaces_a_newer_one(directory: Directory) -> None:
    _, row = add_key(directory)
    directory.store(projects=[project("site", timezone="Europe/Paris", version=3)], keys=[revoke(row)])
    directory.store(projects=[project("site", version=2)], keys=[row])
    assert (directory.project("site").timezone, directory.keys("site")) == ("Europe/Paris", [])


def test_only_write_keys_lie_readable_on_disk(path: Path, directory: Directory) -> None:
    tokens = {kind: add_key(directory, kind)[0] for kind in ("write", "read", "admin")}
    stored = b"".join(file.read_bytes() for file in path.parent.glob("directory.sqlite*"))
    assert {kind: token.encode() in stored for kind, token in tokens.items()} == {
        "write": True,
        "read": False,
        "admin": False,
    }
    assert [stat.S_IMODE(file.stat().st_mode) for file in sorted(path.parent.glob("directory.sqlite*"))] == [0o600] * 3


def test_keys_are_random_and_show_little_of_themselves() -> None:
    tokens = {make_token("read", "site") for _ in range(100)}
    assert len(tokens) == 100
    assert {(len(token), len(token_prefix(token) or "")) for token in tokens} == {(40, 14)}


def test_salts_last_for_the_day_and_its_next(directory: Directory) -> None:
    today, yesterday = directory.salts(NOON)
    tomorrow, today_still = directory.salts(NOON + DAY)
    assert today_still == today
    assert len({today, yesterday, tomorrow}) == 3
    assert {len(salt) for salt in (today, yesterday, tomorrow)} == {32}


def test_processes_without_clickhouse_agree_on_salts(path: Path, directory: Directory) -> None:
    with Directory(path) as other:
        assert other.salts(NOON) == directory.salts(NOON)


def test_a_destroyed_salt_is_nowhere_in_the_files(path: Path, directory: Directory) -> None:
    salts = directory.salts(NOON)
    directory.destroy_salts(datetime.fromtimestamp(NOON, UTC).date())
    stored = b"".join(file.read_bytes() for file in path.parent.glob("directory.sqlite*"))
    assert [salt.hex().encode() in stored for salt in salts] == [True, False]


def test_a_link_works_once_and_not_too_late(path: Path, directory: Directory) -> None:
    link = Link("site", "rk_site_abcdef")
    token, late = add_link(path, link, NOON), add_link(path, link, NOON)
    assert [use_link(path, token, NOON + 1), use_link(path, token, NOON + 1)] == [link, None]
    assert use_link(path, late, NOON + LIFETIME_SECONDS + 1) is None
    assert use_link(path, "nonsense", NOON) is None


def test_a_mirror_without_secrets_is_not_loaded(path: Path) -> None:
    with Directory(path) as opened:
        assert not opened.is_loaded
        opened.store(secrets=[make_secret(KEYS_SECRET, 0.0, version=1)])
        assert opened.is_loaded


def run(migrated: Place, path: Path, scenario: Callable[[Database, Directory], Awaitable[None]]) -> None:
    async def inside(database: Database) -> None:
        with Directory(path) as directory:
            await scenario(database, directory)

    migrated.run(inside)


@pytest.mark.engine
def test_a_project_is_created_changed_and_deleted(migrated: Place, path: Path) -> None:
    async def scenario(database: Database, directory: Directory) -> None:
        keys = await registry.create_project(database, directory, "shop", DEFAULTS)
        kinds = [directory.find_key(token) for token in (keys.write_key, keys.read_key, keys.admin_key)]
        assert [(key.project, key.kind) for key in kinds if key] == [("shop", k) for k in ("write", "read", "admin")]
        change = ProjectChange(timezone="Europe/Paris", retention_days=0)
        await registry.set_project(database, directory, directory.project("shop"), change)
        changed = directory.project("shop")
        assert (changed.timezone, changed.retention_days, changed.ip) == ("Europe/Paris", 0, "truncate")
        with pytest.raises(ServerError, match="exists"):
            await registry.create_project(database, directory, "shop", DEFAULTS)
        await registry.delete_project(database, directory, changed)
        assert (directory.find_key(keys.write_key), directory.projects()) == (None, [])
        with pytest.raises(ServerError, match="was deleted"):
            await registry.create_project(database, directory, "shop", DEFAULTS)

    run(migrated, path, scenario)


@pytest.mark.engine
def test_two_keys_of_a_kind_are_active_while_rotating(migrated: Place, path: Path) -> None:
    async def scenario(database: Database, directory: Directory) -> None:
        first = (await registry.create_project(database, directory, "shop", DEFAULTS)).read_key
        second = await registry.rotate_key(database, directory, "shop", "read")
        assert [directory.find_key(token) is not None for token in (first, second)] == [True, True]
        third = await registry.rotate_key(database, directory, "shop", "read")
        assert [directory.find_key(token) is not None for token in (first, second, third)] == [False, True, True]

    run(migrated, path, scenario)


@pytest.mark.engine
def test_another_node_follows_by_sync(migrated: Place, path: Path, tmp_path: Path) -> None:
    async def scenario(database: Database, directory: Directory) -> None:
        keys = await registry.create_project(database, directory, "shop", DEFAULTS)
        with Directory(tmp_path / "other.sqlite") as other:
            await registry.sync(database, other, NOON)
            assert other.find_key(keys.read_key) == directory.find_key(keys.read_key)
            await registry.sync(database, directory, NOON)
            assert other.salts(NOON)[0] == directory.salts(NOON)[0]
            await registry.delete_project(database, directory, directory.project("shop"))
            await registry.sync(database, other, NOON)
            assert other.find_key(keys.read_key) is None

    run(migrated, path, scenario)


@pytest.mark.engine
def test_salts_are_made_a_day_ahead_and_destroyed_everywhere_after_two(migrated: Place, path: Path) -> None:
    async def scenario(database: Database, directory: Directory) -> None:
        first = datetime.fromtimestamp(NOON, UTC).date()
        for days in range(3):
            await registry.sync(database, directory, NOON + days * DAY)
        rows = await database.fetch("select name from secrets final where startsWith(name, 'salt:') order by name")
        expected = [salt_name(first + timedelta(days=days)) for days in (1, 2, 3)]
        assert [row["name"] for row in rows] == expected
        assert sorted(s.name for s in directory.stored_secrets() if s.name.startswith("salt:")) == expected

    run(migrated, path, scenario)


@pytest.mark.engine
def test_salts_made_while_clickhouse_was_away_become_everybodys(migrated: Place, path: Path, tmp_path: Path) -> None:
    async def scenario(database: Database, directory: Directory) -> None:
        alone = directory.salts(NOON)[0]
        await registry.sync(database, directory, NOON)
        with Directory(tmp_path / "other.sqlite") as other:
            await registry.sync(database, other, NOON)
            assert (other.salts(NOON)[0], directory.salts(NOON)[0]) == (alone, alone)

    run(migrated, path, scenario)


@pytest.mark.engine
def test_the_first_project_is_made_once(migrated: Place, path: Path) -> None:
    async def scenario(database: Database, directory: Directory) -> None:
        keys = await registry.create_first_project(database, directory, DEFAULTS)
        assert keys is not None
        await registry.delete_project(database, directory, directory.project(keys.project))
        assert await registry.create_first_project(database, directory, DEFAULTS) is None

    run(migrated, path, scenario)


@pytest.mark.parametrize("name", ["", "-a", "A", "a_b", "a" * 33, "a b", "a\n", "é"])
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a project"):
        registry.check_name(name)


@pytest.mark.parametrize(
    "change",
    [
        ProjectChange(retention_days=-1),
        ProjectChange(rollup_retention_days=65_536),
        ProjectChange(ip="hash"),
        ProjectChange(timezone="Mars/Olympus"),
        ProjectChange(timezone="../etc/passwd"),
        ProjectChange(timezone="localtime"),
        ProjectChange(timezone="Factory"),
        ProjectChange(timezone="right/UTC"),
    ],
)
def test_a_setting_that_does_not_fit_is_refused(change: ProjectChange) -> None:
    with pytest.raises(UsageError):
        registry.check_change(change)
