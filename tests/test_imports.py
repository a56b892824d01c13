"""The import direction of both packages: a module may import what stands below it, never its equals or what is above.

A new module joins the row of its equals here; the map in CONTRIBUTING.md tells what each is for.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGES = Path(__file__).parent.parent / "packages"
CLIENT = PACKAGES / "analytics" / "src" / "shockmouse_analytics"
SERVER = PACKAGES / "analytics-server" / "src" / "shockmouse_analytics_server"

CLIENT_ROWS = (
    {"__main__", "autotrack"},
    {"doctor"},
    {"analytics"},
    {"requests_manager", "performance", "vitals"},
    {"delivering"},
    {"delivery"},
    {"landing"},
    {"forgetting"},
    {"flushes", "store_life"},
    {"ledger"},
    {"current_store"},
    {"left_behind"},
    {"queue", "steps", "store_folders", "tombstones"},
    {"salvage"},
    {"fingerprint", "privacy", "session", "sampling", "offline", "pending", "transport", "visitor"},
    {"store_batches", "store_contents", "store_groups"},
    {"store_file"},
    {
        "store_tables",
        "machine",
        "counts",
        "background",
        "secret_values",
        "undecided",
        "session_header",
        "misuse",
        "left_files",
        "arguments",
        "temporary",
    },
    {"event", "executor"},
    {"gzip_member"},
    {"errors"},
)
SERVER_ROWS = (
    {"__main__"},
    {"commands"},
    {"serve", "workers", "loading"},
    {"app", "embedded", "backup", "doctor"},
    {"migrate", "privacy"},
    {"erasure", "subject_export"},
    {"person_erasure", "project_erasure"},
    {"erasure_work"},
    {"openapi"},
    {"schemas"},
    {"ingest", "importer", "api", "admin", "dashboard", "data_health", "metrics", "script"},
    {"assets", "tickets"},
    {
        "stats",
        "timeseries",
        "breakdown",
        "sessions",
        "devices",
        "events",
        "realtime",
        "properties",
        "vitals",
        "funnel",
        "retention",
        "paths",
        "stream",
        "export",
    },
    {"totals"},
    {"narrowing"},
    {"question", "folder"},
    {"access", "expiry", "enrich", "exported", "filters", "ranges", "registry"},
    {"projects", "appender", "backfill", "journal", "links", "loader", "migration_lock"},
    {"audit", "deletion", "rollups", "subjects"},
    {"spool", "clickhouse", "counters", "locks", "agents", "campaigns", "places", "rates", "request", "connections"},
    {"quarantine", "engine_connections", "spool_search"},
    {"segments"},
    {"pieces", "spool_file"},
    {"visits"},
    {
        "rows",
        "sampling",
        "wire",
        "addresses",
        "engine_request",
        "engine_socket",
        "damage",
        "erasure_journal",
        "guard",
        "keys",
        "turns",
        "parquet",
        "lifeline",
        "logs",
        "statements",
        "tombstones",
    },
    {"body", "contexts", "envelope", "fingerprints", "times"},
    {"json_limits"},
    {"failures", "mismatch"},
    {"errors"},
)
# What only the named modules may import: a library has one door.
DOORS = {
    CLIENT: {
        "aiohttp": {"transport"},
        "backoff": {"transport"},
        "platformdirs": {"config"},
        "config": {"__main__", "analytics"},
    },
    SERVER: {
        "aiochclient": {"clickhouse"},
        "aiohttp": {"clickhouse", "embedded"},
        "backoff": {"loader", "serve"},
        "chdb": {"embedded"},
        "config": {"__main__", "commands", "serve", "workers", "loading", "app", "folder"},
        "hypercorn": {"connections", "workers"},
        "platformdirs": {"config"},
        "starlette": {
            "app",
            "admin",
            "api",
            "assets",
            "dashboard",
            "data_health",
            "metrics",
            "openapi",
            "privacy",
            "script",
        },
    },
}


def modules(package: Path) -> dict[str, ast.Module]:
    """Return the parsed modules by their first name below the package; a folder's files count as the folder."""
    found: dict[str, ast.Module] = {}
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package).parts[0].removesuffix(".py")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found.setdefault(name, ast.Module(body=[], type_ignores=[])).body.extend(tree.body)
    return found


def imported(tree: ast.Module, package: str) -> Iterator[str]:
    """Yield the names of what a module imports: our own modules by first name, libraries by top-level name."""
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level:
            names = [f"{package}.{node.module}"] if node.module else [f"{package}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == package:
            names = [f"{package}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [str(node.module)]
        for name in names:
            top, _, rest = name.partition(".")
            yield (rest.partition(".")[0] or "__init__") if top == package else f"library:{top}"


@pytest.mark.parametrize(("package", "rows"), [(CLIENT, CLIENT_ROWS), (SERVER, SERVER_ROWS)])
def test_modules_import_only_what_stands_below_them(package: Path, rows: tuple[set[str], ...]) -> None:
    row_of = {name: number for number, row in enumerate(rows) for name in row}
    wrong = []
    for name, tree in modules(package).items():
        if name in ("__init__", "config"):
            continue
        assert name in row_of, f"{package.name}.{name} stands in no row of {Path(__file__).name}"
        targets = {target for target in imported(tree, package.name) if target in row_of}
        wrong += [f"{name} imports {target}" for target in sorted(targets) if row_of[target] <= row_of[name]]
    assert wrong == []


@pytest.mark.parametrize("package", [CLIENT, SERVER])
def test_libraries_and_settings_have_one_door(package: Path) -> None:
    wrong = []
    for name, tree in modules(package).items():
        for target in set(imported(tree, package.name)):
            allowed = DOORS[package].get(target.removeprefix("library:"))
            if allowed is not None and name not in allowed | {target}:
                wrong.append(f"{name} imports {target}")
    assert wrong == []


@pytest.mark.parametrize(("package", "other"), [(CLIENT, SERVER), (SERVER, CLIENT)])
def test_the_packages_never_import_each_other(package: Path, other: Path) -> None:
    users = [name for name, tree in modules(package).items() if f"library:{other.name}" in imported(tree, package.name)]
    assert users == []
