"""What the settings mean: the data folder's files by name, the database, the settings of a new project."""

from pathlib import Path

from .clickhouse import Database, Role, open_database
from .config import ServerConfig
from .registry import ProjectChange


def spool_path(data_dir: Path) -> Path:
    return data_dir / "spool.sqlite"


def directory_path(data_dir: Path) -> Path:
    return data_dir / "directory.sqlite"


def counters_path(data_dir: Path) -> Path:
    return data_dir / "counters.sqlite"


def serve_lock(data_dir: Path) -> Path:
    return data_dir / "serve.lock"


def loader_lock(data_dir: Path) -> Path:
    return data_dir / "loader.lock"


def loading_lock(data_dir: Path) -> Path:
    return data_dir / "loading.lock"


def import_lock(data_dir: Path) -> Path:
    return data_dir / "import.lock"


def erasing_lock(data_dir: Path) -> Path:
    return data_dir / "erasing.lock"


def url_path(data_dir: Path) -> Path:
    """Return the file that has the address of the last `serve`."""
    return data_dir / "serve.url"


def database_of(config: ServerConfig, role: Role) -> Database:
    """Return the database, not opened yet."""
    return open_database(
        data_dir=config.data_dir,
        clickhouse_url=config.clickhouse_url,
        database=config.clickhouse_database,
        user=config.clickhouse_user or "",
        password=config.clickhouse_password or "",
        role=role,
    )


def defaults_of(config: ServerConfig) -> ProjectChange:
    """Return what a new project begins with."""
    return ProjectChange(
        retention_days=config.retention_days,
        rollup_retention_days=config.rollup_retention_days,
        ip=config.ip_anonymization,
        timezone="UTC",
    )
