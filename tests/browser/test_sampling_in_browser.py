"""Devices are sampled by one rule in the browser, in Python and on the server."""

import json
from pathlib import Path

import pytest

from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser
VECTORS = Path(__file__).parents[2] / "packages" / "analytics" / "tests" / "sampling_vectors.json"


def test_the_shared_vectors_decide_the_same_in_the_browser(visitor: Visitor) -> None:
    visitor.put("/blank")
    visitor.open("/blank")
    visitor.stored(1)
    expected = []
    for number, vector in enumerate(json.loads(VECTORS.read_text("utf-8"))):
        if len(vector["device_id"]) != 36:  # the script takes no other for its own
            continue
        for step, name in ((0, "dropped"), (1, "kept")):
            rate = (vector["hash"] + step) / 2**32
            if not 1e-6 < rate < 1:
                continue
            path = f"/{name}{number}"
            visitor.put(path, consent="given", sample_rate=repr(rate), autotrack="pages")
            tab = visitor.context.pages[0]
            tab.evaluate("id => localStorage['shockmouse.device'] = id", vector["device_id"])
            visitor.open(path, tab).evaluate("shockmouse.flush()")
            expected += [path] if name == "kept" else []
    assert len(expected) >= 10
    assert [row["path"] for row in visitor.stored(len(expected) + 1, "page")][1:] == expected
