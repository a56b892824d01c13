"""The named steps from a received event to a row."""

from msgspec import Struct


class Arrival(Struct, frozen=True, kw_only=True):
    """What the request itself knew, and the settings of its project."""

    project: str
    retention_days: int
    rollup_retention_days: int
    ip_mode: str
    received_at: float
    address: str
    user_agent: str
    is_refused: bool
    salts: tuple[bytes, bytes]
