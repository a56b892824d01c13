"""Devices and sessions that the server gives: 30 minutes, 24 hours, midnight, late events, any order of arrival."""

import sqlite3
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from shockmouse_analytics_server import visits
from shockmouse_analytics_server.rows import Row, Unplaced
from shockmouse_analytics_server.spool import Appended

from .spooled import NOON, make_row, open_spool, unplaced_entry

MINUTE = 60.0
HOUR = 3600.0
MIDNIGHT = NOON + 12 * HOUR


class Placed(Struct, frozen=True):
    """What place() has filled in, with the session's id as the number of its first appearance."""

    device: str
    session: int
    started: float


class Arriving(Struct, frozen=True):
    """An event as the test sees it."""

    at: float
    devices: tuple[str, ...] = ("device",)
    session: str = ""
    started: float = 0.0
    project: str = "default"

    def unplaced(self) -> Unplaced:
        names = {"session_id": self.session, "session_started": self.started, "project": self.project}
        if len(self.devices) == 1:
            return Unplaced(make_row(at=self.at, device_id=self.devices[0], **names))
        return Unplaced(make_row(at=self.at, device_id="", **names), self.devices)


def visits_of(rows: Sequence[Row]) -> list[Placed]:
    numbers: dict[str, int] = {}
    return [
        Placed(row.device_id, numbers.setdefault(row.session_id, len(numbers)), row.session_started) for row in rows
    ]


def placed(*events: Arriving) -> list[Placed]:
    """Place the events in the order given, each in a transaction of its own."""
    rows = [event.unplaced() for event in events]
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(visits.SCHEMA)
    for row in rows:
        visits.place(connection, [row], NOON)
    connection.close()
    return visits_of([each.row for each in rows])


def test_30_minutes_after_the_last_event_a_session_still_goes_on() -> None:
    assert placed(Arriving(NOON), Arriving(NOON + 20 * MINUTE), Arriving(NOON + 50 * MINUTE)) == [
        Placed("device", 0, NOON),
        Placed("device", 0, NOON),
        Placed("device", 0, NOON),
    ]


def test_later_than_30_minutes_a_session_is_new() -> None:
    late = NOON + 30 * MINUTE + 0.001
    assert placed(Arriving(NOON), Arriving(late)) == [Placed("device", 0, NOON), Placed("device", 1, late)]


def test_an_earlier_event_joins_and_the_start_stays() -> None:
    assert placed(Arriving(NOON), Arriving(NOON - 30 * MINUTE), Arriving(NOON - 60 * MINUTE)) == [
        Placed("device", 0, NOON),
        Placed("device", 0, NOON),
        Placed("device", 0, NOON),
    ]


def test_a_late_event_that_bridges_two_sessions_joins_the_earlier() -> None:
    second = NOON + 50 * MINUTE
    assert placed(Arriving(second), Arriving(NOON), Arriving(NOON + 25 * MINUTE), Arriving(second)) == [
        Placed("device", 0, second),
        Placed("device", 1, NOON),
        Placed("device", 1, NOON),
        Placed("device", 1, NOON),
    ]


def test_a_session_crosses_midnight() -> None:
    assert placed(Arriving(MIDNIGHT - 60), Arriving(MIDNIGHT + 60)) == [
        Placed("device", 0, MIDNIGHT - 60),
        Placed("device", 0, MIDNIGHT - 60),
    ]


def test_a_derived_session_ends_after_24_hours() -> None:
    events = [Arriving(NOON + number * 20 * MINUTE) for number in range(75)]
    numbers = [each.session for each in placed(*events)]
    assert numbers == [0] * 73 + [1] * 2


def test_a_senders_session_keeps_the_start_that_was_seen_first() -> None:
    assert (
        placed(Arriving(NOON, session="a"), Arriving(NOON + 23 * HOUR, session="a"), Arriving(NOON - HOUR, session="a"))
        == [Placed("device", 0, NOON)] * 3
    )


def test_a_senders_session_id_used_again_after_24_hours_is_a_new_session() -> None:
    again = NOON + 24 * HOUR + 1
    assert placed(Arriving(NOON, session="a"), Arriving(again, session="a")) == [
        Placed("device", 0, NOON),
        Placed("device", 0, again),
    ]


def test_a_senders_session_and_derived_ones_are_apart() -> None:
    assert placed(Arriving(NOON, session="a"), Arriving(NOON + 1), Arriving(NOON + 2, session="b")) == [
        Placed("device", 0, NOON),
        Placed("device", 1, NOON + 1),
        Placed("device", 2, NOON + 2),
    ]


def test_yesterdays_device_goes_on_while_its_session_lasts() -> None:
    hashes = ("yesterday", "today")
    morning = MIDNIGHT + 8 * HOUR
    assert placed(
        Arriving(MIDNIGHT - 60, devices=("day before", "yesterday")),
        Arriving(MIDNIGHT + 60, devices=hashes),
        Arriving(morning, devices=hashes),
        Arriving(morning + 60, devices=hashes),
    ) == [
        Placed("yesterday", 0, MIDNIGHT - 60),
        Placed("yesterday", 0, MIDNIGHT - 60),
        Placed("today", 1, morning),
        Placed("today", 1, morning),
    ]


def test_a_start_that_the_sender_knows_is_kept_where_only_the_device_is_derived() -> None:
    hashes = ("yesterday", "today")
    assert placed(
        Arriving(NOON, devices=hashes, session="a", started=NOON - HOUR),
        Arriving(NOON + 1, devices=hashes, session="a"),
    ) == [Placed("today", 0, NOON - HOUR), Placed("today", 0, NOON - HOUR)]


def test_projects_are_apart() -> None:
    assert placed(Arriving(NOON, project="one"), Arriving(NOON, project="two")) == [
        Placed("device", 0, NOON),
        Placed("device", 1, NOON),
    ]


def test_the_same_events_get_the_same_ids_again() -> None:
    rows = [make_row(at=NOON + number * HOUR, session_id="", session_started=0.0) for number in range(3)]
    ids = []
    for _ in range(2):
        connection = sqlite3.connect(":memory:", isolation_level=None)
        connection.executescript(visits.SCHEMA)
        copies = [Unplaced(make_row(at=row.at, event_id=row.event_id, session_id="")) for row in rows]
        visits.place(connection, copies, NOON)
        connection.close()
        ids.append([copy.row.session_id for copy in copies])
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 3


def test_a_visit_is_forgotten_a_week_after_it_was_joined(tmp_path: Path) -> None:
    with open_spool(tmp_path) as spool:
        spool.append([unplaced_entry([Arriving(NOON).unplaced()], received_at=NOON)])
        assert spool.forget(NOON + visits.MEMORY_SECONDS - 1) == 1  # the batch id, after 72 h
        assert spool.forget(NOON + visits.MEMORY_SECONDS + 1) == 1


def test_a_batch_that_comes_again_opens_no_session(tmp_path: Path) -> None:
    rows = [Arriving(NOON).unplaced(), Arriving(NOON + HOUR).unplaced()]
    entry = unplaced_entry(rows)
    with open_spool(tmp_path) as spool:
        assert spool.append([entry]) == [Appended(2, 0)]
        assert spool.append([entry]) == [Appended(0, 2)]
        with spool.file.reading() as connection:
            opened = connection.execute("select opened from visits order by opened").fetchall()
    assert opened == [(NOON,), (NOON + HOUR,)]


class Remembered(Struct):
    """A session of the plain reference."""

    number: int
    device: str
    opened: float
    times: list[float]


def reference(events: Sequence[Arriving]) -> list[Placed]:
    """Place events by the words of the contract: every session is looked at, all its events are kept."""
    known: list[tuple[str, str, Remembered]] = []
    answers = []
    numbers: dict[tuple[str, int], int] = {}
    for event in events:
        chosen = None
        for device in event.devices:
            near = [
                each
                for project, sender, each in known
                if (project, sender, each.device) == (event.project, event.session, device)
                and (event.session or any(abs(event.at - edge) <= 1800 for edge in edges(each)) or inside(each, event))
                and max(*each.times, event.at) - min(*each.times, event.at) <= 24 * HOUR
            ]
            if near:
                chosen = min(near, key=lambda each: (min(each.times), each.opened))
                break
        if chosen is None:
            chosen = Remembered(len(known), event.devices[-1], event.at, [event.at])
            known.append((event.project, event.session, chosen))
        chosen.times.append(event.at)
        name = (event.session, 0) if event.session else ("", chosen.number)
        answers.append(Placed(chosen.device, numbers.setdefault(name, len(numbers)), chosen.opened))
    return answers


def edges(session: Remembered) -> tuple[float, float]:
    return min(session.times), max(session.times)


def inside(session: Remembered, event: Arriving) -> bool:
    return min(session.times) <= event.at <= max(session.times)


TIMES = st.integers(-30 * 12, 30 * 12).map(lambda step: NOON + step * 5 * MINUTE)
ARRIVING = st.builds(
    Arriving,
    at=TIMES,
    devices=st.sampled_from([("one",), ("two",), ("one", "two"), ("two", "three")]),
    session=st.sampled_from(["", "", "", "a", "b"]),
    project=st.sampled_from(["default", "default", "other"]),
)


@given(st.lists(ARRIVING, max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_order_of_arrival_gives_what_the_contract_says(events: list[Arriving]) -> None:
    assert placed(*events) == reference(events)


@given(st.lists(st.lists(ARRIVING, min_size=1, max_size=10), max_size=6))
@settings(max_examples=30, deadline=None)
def test_batches_groups_and_restarts_change_nothing(batches: list[list[Arriving]]) -> None:
    """The state that the spool keeps between transactions and processes is all there is."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for batch in batches:
            unplaced = [event.unplaced() for event in batch]
            with open_spool(Path(folder)) as spool:
                spool.append([unplaced_entry(unplaced[:5]), *([unplaced_entry(unplaced[5:])] if unplaced[5:] else [])])
            rows += [each.row for each in unplaced]
    assert visits_of(rows) == reference([event for batch in batches for event in batch])
