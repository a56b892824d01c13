"""What arrives at a server in each privacy mode: every field is one that the mode allows, whatever was called."""

import getpass
import json
import os
import pwd
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shockmouse_analytics import Analytics
from shockmouse_analytics.event import Privacy
from shockmouse_analytics.fingerprint import SIGNALS, Fingerprinter
from shockmouse_analytics.sampling import keeps

MODES: tuple[Privacy, ...] = ("strict", "balanced", "full")
EVENT_FIELDS = {
    "boot_id", "context", "device_id", "event_id", "fingerprint", "name", "privacy", "properties", "sample_rate", "seq",
    "session_id", "session_started_at", "timestamp", "type", "user_id", "user_properties",
}  # fmt: skip
BATCH_FIELDS = {"batch_id", "sent_at", "dropped", "library", "context", "events"}
CONTEXT_OF: dict[Privacy, set[str]] = {
    "strict": set(),
    "balanced": {"locale", "timezone"},
    "full": {"locale", "timezone"},
}

Make = Callable[..., Analytics]


def call_everything(analytics: Analytics) -> None:
    """Use every verb once and wait for the acknowledgement."""
    analytics.track("Exported", {"password": "hunter2", "pages": 12})
    analytics.page(url="https://example.com/", title="Home")
    analytics.screen("Settings")
    analytics.identify("user-42", {"plan": "pro", "api_key": "k-1"})
    analytics.group("company-7")
    analytics.alias("user-43")
    with analytics.measure("render"):
        pass
    try:
        int("x")
    except ValueError as exc:
        analytics.capture_exception(exc)
    assert analytics.flush(timeout=20)


@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_only_fields_of_the_mode_leave(client: Make, server: Any, mode: Privacy, asked: bool) -> None:
    call_everything(client(privacy=mode, fingerprint_names=asked))
    within = [signal for signal in SIGNALS if signal.mode in MODES[: MODES.index(mode) + 1]]
    allowed = {signal.name for signal in within if asked or not signal.is_hashed}
    events = [event for body in server.requests for event in body["events"]]
    fingerprints = [event["fingerprint"] for event in events if "fingerprint" in event]
    assert {name for body in server.requests for name in body} <= BATCH_FIELDS
    assert {name for body in server.requests for name in body.get("context", {})} <= CONTEXT_OF[mode]
    assert {name for event in events for name in event} <= EVENT_FIELDS
    assert [set(event.get("context", {})) for event in events if event["type"] != "page"] == [set()] * (len(events) - 1)
    assert {name for known in fingerprints for name in known} == {"hash", "signals"}
    assert {name for known in fingerprints for name in known["signals"]} <= allowed
    hashed = {signal.name for signal in SIGNALS if signal.is_hashed}
    told = {frozenset(hashed & known["signals"].keys()) for known in fingerprints}
    assert told == {frozenset(hashed if asked and mode == "full" else ())}
    assert {event["privacy"] for event in events} == {mode}
    assert len({event["device_id"] for event in events}) == 1


def names_of_this_machine() -> list[str]:
    """Return the names of host, account and home folder as they must stand nowhere, however they were found."""
    account = pwd.getpwuid(os.getuid())
    users, homes = {account.pw_name, getpass.getuser()}, {account.pw_dir, str(Path.home()), str(Path.home().resolve())}
    return [socket.gethostname(), *(f'"{name}"' for name in users | homes), *(f"{home}/" for home in homes)]


@pytest.mark.parametrize("mode", MODES)
def test_nothing_personal_and_no_secret_leaves(client: Make, server: Any, mode: Privacy) -> None:
    call_everything(client(privacy=mode, fingerprint_names=True))
    sent = json.dumps(server.requests)
    never = ["hunter2", "k-1", *names_of_this_machine(), sys.executable]
    machine_id = Path("/etc/machine-id")
    never += [machine_id.read_text().strip()] if machine_id.exists() else []
    assert [word for word in never if word in sent] == []
    assert sent.count("[redacted]") == 2


def test_the_fingerprint_that_leaves_is_the_one_that_can_be_printed(client: Make, server: Any, tmp_path: Path) -> None:
    analytics = client(privacy="balanced")
    analytics.track("Opened")
    assert analytics.flush(timeout=20)
    printed = Fingerprinter(privacy="balanced", project="shop", state_dir=tmp_path / "state").fingerprint()
    (event,) = server.events
    assert event["device_id"] == printed.device_id
    assert event["fingerprint"]["hash"] == printed.hash
    assert set(event["fingerprint"]["signals"]) == set(printed.signals)


def test_strict_leaves_no_id_on_the_disk(client: Make, server: Any, tmp_path: Path) -> None:
    call_everything(client(privacy="strict"))
    call_everything(client(privacy="strict"))
    assert len({event["device_id"] for event in server.events}) == 2
    assert [path.name for path in tmp_path.rglob("*") if "install" in path.name] == []


def test_a_refusal_stops_everything_at_once_and_after_a_restart(client: Make, server: Any) -> None:
    analytics = client(privacy="balanced", flush_seconds=0.1)
    analytics.opt_out()
    analytics.track("Not collected")
    client(privacy="balanced").track("Not collected either")
    analytics.opt_in()
    again = client(privacy="balanced")
    again.track("Collected")
    assert again.flush(timeout=20)
    assert [event["name"] for event in server.events] == ["Collected"]


def test_do_not_track_stops_everything(client: Make, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    refused = client(flush_seconds=0.1)
    refused.track("Not collected")
    refused.close()
    monkeypatch.delenv("DO_NOT_TRACK")
    allowed = client()
    allowed.track("Collected")
    assert allowed.flush(timeout=20)
    assert [event["name"] for event in server.events] == ["Collected"]


def test_a_device_is_kept_or_dropped_whole(client: Make, server: Any, tmp_path: Path) -> None:
    folders = [tmp_path / str(number) for number in range(8)]
    devices = [Fingerprinter(privacy="balanced", project="shop", state_dir=folder).fingerprint() for folder in folders]
    for folder in folders:
        analytics = client(offline_dir=folder, sample_rate={"track": 0.5})
        analytics.track("Started")
        analytics.screen("Home")
        analytics.track("Stopped")
        assert analytics.flush(timeout=20)
    whole, unsampled = [("Started", 0.5), ("Home", 1.0), ("Stopped", 0.5)], [("Home", 1.0)]
    expected = [whole if keeps(known.device_id, 0.5) else unsampled for known in devices]
    sent: dict[str, list[tuple[str, float]]] = {known.device_id: [] for known in devices}
    for event in server.events:
        sent[event["device_id"]].append((event["name"], event.get("sample_rate", 1.0)))
    assert list(sent.values()) == expected
