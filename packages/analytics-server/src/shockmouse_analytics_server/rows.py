"""The row of the table `events`: what a received event has become when it is ready for ClickHouse.

Encoded by msgspec, a Row is one line of JSONCompactEachRow: its fields are the table's columns in the table's order.
Times are epoch seconds rounded to milliseconds, ids canonical text, free-form objects JSON that was checked and
normalised. A row leaves enrichment complete, but for the device and session that the sender did not name: those
come as Unplaced, and the spool fills them in the transaction that stores the row.
"""

from msgspec import Raw, Struct


class Row(Struct, array_like=True, gc=False):
    """One event as stored."""

    project: str
    at: float
    event_id: str
    batch_id: str
    type: str
    name: str
    session_id: str
    session_started: float
    device_id: str
    user_id: str
    privacy: str
    sample_rate: float
    bot: str
    time_flag: str
    timestamp: str
    sent_at: float | None
    received_at: float
    url: str
    host: str
    path: str
    title: str
    referrer: str
    referrer_host: str
    utm_source: str
    utm_medium: str
    utm_campaign: str
    utm_term: str
    utm_content: str
    country: str
    browser: str
    browser_version: str
    os: str
    os_version: str
    device_type: str
    screen: str
    locale: str
    timezone: str
    app_name: str
    app_version: str
    library_name: str
    library_version: str
    user_agent: str
    ip: str
    boot_id: str
    seq: int
    fingerprint_hash: str
    fingerprint: dict[str, str]
    user_properties: Raw
    properties: Raw
    context: str
    retention: int
    rollup_retention: int


ROW_COLUMNS = Row.__struct_fields__


class Unplaced(Struct):
    """A row whose device or session is not known yet.

    devices: without a sender's device id, the two derived ones: by yesterday's salt (first choice, when it has a live
        session) and by today's; row.device_id is then empty. Else nothing, and row.device_id is the sender's.
    row.session_id: empty when the session is to be derived.
    row.session_started: 0 when nobody trustworthy has said when the session began.
    """

    row: Row
    devices: tuple[str, ...] = ()
