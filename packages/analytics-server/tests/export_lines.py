"""Lines as an export has them, and a project that keeps all of them."""

import json
from typing import Any

from asking import event

from shockmouse_analytics_server.export import COLUMNS
from shockmouse_analytics_server.projects import Project

EVER = Project(
    name="copy", created_at=0, retention_days=0, rollup_retention_days=0, ip="keep", timezone="UTC", version=1
)


def line_of(**overrides: Any) -> bytes:
    """Return a line of an export."""
    row = event()
    given = {name: getattr(row, name) for name in COLUMNS}
    given["session_started_at"] = given.pop("session_started")
    given |= dict.fromkeys(("at", "session_started_at", "received_at"), "2026-03-10T12:00:00.000Z")
    given |= {"properties": {}, "user_properties": {}, "context": {}} | overrides
    if "at" in overrides and "session_started_at" not in overrides:
        given["session_started_at"] = overrides["at"]
    return json.dumps(given).encode()
