"""`project …`: projects, their keys and settings, and links to their dashboards."""

import argparse
import asyncio
import json
import time

from msgspec import structs

from ..config import ServerConfig
from ..errors import UsageError
from .options import Commands, add_command, add_group, given_flags, tell

KINDS = ("write", "read", "admin")
OWN_FLAGS = ("retention_days", "rollup_retention_days")


def add(commands: Commands) -> None:
    """Add the commands about projects."""
    group = add_group(commands, "project", "projects and keys")
    defaults = ("retention_days", "rollup_retention_days", "ip_anonymization")
    create = add_command(group, "create", run_create, "create a project and print its keys, once", shows=defaults)
    create.add_argument("name", metavar="NAME", help="at most 32 of a-z, 0-9 and -")
    create.add_argument("--json", action="store_true", help="print one JSON object")
    listing = add_command(group, "list", run_list, "list the projects and their settings")
    listing.add_argument("--json", action="store_true", help="print a JSON list")
    keys = add_command(group, "keys", run_keys, "show the write keys and the prefixes of the others")
    keys.add_argument("name", metavar="NAME")
    keys.add_argument("--rotate", choices=KINDS, help="make a new key; the one before works until the next rotation")
    keys.add_argument("--json", action="store_true", help="print one JSON object")
    change = add_command(group, "set", run_set, "change a project's settings", without=OWN_FLAGS)
    change.add_argument("name", metavar="NAME")
    change.add_argument("--retention-days", type=int, metavar="N", help="how long events are kept; 0 is for ever")
    change.add_argument("--rollup-retention-days", type=int, metavar="N", help="how long counts are kept")
    change.add_argument("--ip", metavar="MODE", help="what is kept of addresses: truncate, drop or keep")
    change.add_argument("--timezone", metavar="TZ", help="of days in answers, such as Europe/Paris")
    change.add_argument("--dry-run", action="store_true", help="only show what would change, which rows would go when")
    log = add_command(group, "audit", run_audit, "show who erased, exported or changed what, one JSON object a line")
    log.add_argument("name", metavar="NAME")
    about = "print a new link that signs in to the dashboard once"
    link = add_command(group, "link", run_link, about, shows=("host", "port"))
    link.add_argument("name", metavar="NAME")
    delete = add_command(
        group, "delete", run_delete, "revoke a project's keys and delete its data; the name stays taken"
    )
    delete.add_argument("name", metavar="NAME")
    delete.add_argument("--yes", action="store_true", help="needed, as this cannot be undone")


def run_create(options: argparse.Namespace, config: ServerConfig) -> int:
    return asyncio.run(create(config, options.name, as_json=options.json))


async def create(config: ServerConfig, name: str, *, as_json: bool) -> int:
    from .. import registry
    from ..folder import defaults_of
    from .opening import open_projects

    registry.check_name(name)
    async with open_projects(config, begins=True) as (database, directory):
        keys = await registry.create_project(database, directory, name, defaults_of(config))
    given = {
        "project": keys.project,
        "write_key": keys.write_key,
        "read_key": keys.read_key,
        "admin_key": keys.admin_key,
    }
    if as_json:
        print(json.dumps(given))
    else:
        print("\n".join(f"{label.replace('_', ' '):10} {value}" for label, value in given.items()))
        print("The read and admin keys are not shown again.")
    return 0


def run_list(options: argparse.Namespace, config: ServerConfig) -> int:
    return asyncio.run(list_projects(config, as_json=options.json))


async def list_projects(config: ServerConfig, *, as_json: bool) -> int:
    from .. import registry
    from .opening import open_projects

    async with open_projects(config) as (database, directory):
        await registry.sync(database, directory, time.time())
        projects = directory.projects()
    if as_json:
        print(json.dumps([registry.settings_of(project) for project in projects]))
        return 0
    for project in projects:
        print("  ".join(f"{name}={value}" if name != "project" else f"{value:32}" for name, value in
                        registry.settings_of(project).items()))  # fmt: skip
    return 0


def run_keys(options: argparse.Namespace, config: ServerConfig) -> int:
    return asyncio.run(keys(config, options.name, options.rotate, as_json=options.json))


async def keys(config: ServerConfig, name: str, rotated: str | None, *, as_json: bool) -> int:
    from .. import registry
    from .opening import open_projects

    async with open_projects(config) as (database, directory):
        await registry.sync(database, directory, time.time())
        project = directory.project(name)
        token = await registry.rotate_key(database, directory, project.name, rotated) if rotated else None
        shown = registry.shown_keys(directory.keys(project.name))
    if as_json:
        print(json.dumps({"project": name, "new_key": token, "keys": shown}))
        return 0
    if token:
        print(f"new {rotated} key{'' if rotated == 'write' else ', shown only now'}: {token}")
    for key in shown:
        print(f"{key['kind']:6} {key['key']}  made {key['created_at']}")
    return 0


def run_set(options: argparse.Namespace, config: ServerConfig) -> int:
    return asyncio.run(change(config, options))


async def change(config: ServerConfig, options: argparse.Namespace) -> int:
    from .. import expiry, registry
    from .opening import open_projects

    ends: list[expiry.Going] = []
    wanted = registry.ProjectChange(
        retention_days=options.retention_days,
        rollup_retention_days=options.rollup_retention_days,
        ip=options.ip,
        timezone=options.timezone,
    )
    registry.check_change(wanted)
    if wanted == registry.ProjectChange():
        raise UsageError("nothing to set: give --retention-days, --rollup-retention-days, --ip or --timezone")
    async with open_projects(config) as (database, directory):
        await registry.sync(database, directory, time.time())
        before = directory.project(options.name)
        after = registry.changed(before, wanted)
        if options.dry_run:
            ends = await expiry.going(database, after)
        else:
            after = await registry.set_project(database, directory, before, wanted)
            await expiry.keep_as_set(database, config.clickhouse_cluster, after)
    old, new = registry.settings_of(before), registry.settings_of(after)
    if old == new:
        print(f"project {options.name} is so already")
    for name in old:
        if old[name] != new[name]:
            print(f"{name}: {old[name]} → {new[name]}{' (not changed: dry run)' if options.dry_run else ''}")
    if after.rollup_retention_days not in (0, after.counts_days):
        print(f"counts are kept longer than events: {f'{after.counts_days} days' if after.counts_days else 'for ever'}")
    for going in ends:
        print(f"{going.day}  {going.table:16} {going.rows} rows go")
    return 0


def run_link(options: argparse.Namespace, config: ServerConfig) -> int:
    flags = given_flags(options)
    return asyncio.run(link(config, options.name, is_placed=bool(flags["host"] or flags["port"])))


async def link(config: ServerConfig, name: str, *, is_placed: bool) -> int:
    from .. import registry
    from ..folder import directory_path, url_path
    from ..links import Link, add_link, link_url
    from ..serve import url_of
    from .opening import open_projects

    async with open_projects(config) as (database, directory):
        await registry.sync(database, directory, time.time())
        made = Link(directory.project(name).name, directory.read_prefix(name))
    token = add_link(directory_path(config.data_dir), made, time.time())
    served = url_path(config.data_dir)
    url = served.read_text() if served.exists() and not is_placed else url_of(config.host, config.port)
    print(link_url(url, token))
    return 0


def run_delete(options: argparse.Namespace, config: ServerConfig) -> int:
    if not options.yes:
        raise UsageError(f"deleting {options.name} cannot be undone: add --yes")
    return asyncio.run(delete(config, options.name))


async def delete(config: ServerConfig, name: str) -> int:
    from .. import erasure
    from ..erasure_journal import Subject
    from .opening import open_place

    subject = Subject(project=name)
    async with open_place(config, resumes=False) as place:
        if not erasure.is_under_way(place, subject):
            place.directory.project(name)
        receipt = await erasure.erase(place, subject, "command", progress=tell)
        await erasure.resume(place, progress=tell)
    removed = ", ".join(f"{each.rows_removed} {each.name}" for each in receipt.tables if each.rows_removed)
    print(f"project {name} is deleted" + (f" with {removed}" if removed else ""))
    return 0


def run_audit(options: argparse.Namespace, config: ServerConfig) -> int:
    return asyncio.run(show_audit(config, options.name))


async def show_audit(config: ServerConfig, name: str) -> int:
    """Print the log; a deleted project has one, too."""
    from .. import audit, registry
    from .opening import open_projects

    async with open_projects(config) as (database, directory):
        await registry.sync(database, directory, time.time())
        found = await audit.entries(database, name)
        if not found:
            directory.project(name)
        for entry in found:
            print(json.dumps(structs.asdict(entry)))
    return 0
