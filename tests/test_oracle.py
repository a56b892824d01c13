"""The oracle itself: it sees a lost event and a doubled one, in raw rows and in every view's total."""

import uuid

from tests.oracle import TOTALS, Tally, tally, wait_until_stored
from tests.sender import plain_event
from tests.server_process import Server


def test_a_lost_and_a_doubled_event_are_seen(server: Server) -> None:
    first, doubled, lost = (str(uuid.uuid4()) for _ in range(3))
    for ids in ((first, doubled), (doubled,)):  # event ids are compared within a batch only
        batch = {"batch_id": str(uuid.uuid4()), "events": [plain_event(event_id) for event_id in ids]}
        assert server.post(batch).status == 200
    wait_until_stored(server, 3, 20)
    assert tally(server, [first, doubled, lost]) == Tally(
        acknowledged=3,
        stored=2,
        lost=1,
        doubled=1,
        unasked=0,
        totals=dict.fromkeys(TOTALS, 3),
        waiting=0,
        quarantined=0,
    )
