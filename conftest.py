"""What holds for every test run: one prepared folder for all its processes, and the order of the files."""

import os

import pytest
from tests import prepared

# aiohttp reads the system's certificate authorities whenever it is loaded, a quarter of what loading it takes. Nothing
# that the tests start speaks to a host for which one of these vouches.
os.environ["SSL_CERT_FILE"] = os.devnull
os.environ["SSL_CERT_DIR"] = os.devnull

# The files that take longest begin first, so that no process ends with one of them while the others have nothing to do.
# A process with two tests left is given its next file already: after a file of one long test stands a short one.
LONG = (
    "test_bench.py",
    "test_kill.py",
    "test_openapi.py",
    "test_together.py",
    "test_event_codes.py",
    "test_demo_history.py",
    "test_frameworks.py",
    "test_outage.py",
    "test_dashboard_reading.py",
    "test_dashboard_overview.py",
    "test_dashboard_views.py",
    "test_dashboard_arrivals.py",
    "test_delivery.py",
    "test_attack_strings.py",
    "test_first_party.py",
    "test_serve.py",
    "test_mistakes.py",
    "test_erasure.py",
    "test_erasure_reference.py",
    "test_backup.py",
    "test_reference.py",
    "test_erasure_kills.py",
    "test_loader.py",
    "test_quarantine.py",
    "test_exactly_once.py",
    "test_migrations.py",
    "test_import.py",
    "test_expiry.py",
    "test_commands.py",
    "test_privacy.py",
    "test_wire.py",
    "test_stream_workers.py",
    "test_privacy_docs.py",
    "test_command_line.py",
    "test_locked_store.py",
    "test_failing_disk.py",
    "test_offline.py",
    "test_docs.py",
    "test_durability.py",
)


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        prepared.begin()


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        prepared.end()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {name: number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: place.get(item.path.name, len(LONG)))
