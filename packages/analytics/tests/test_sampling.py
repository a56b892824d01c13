"""A device is kept or dropped whole, by the same rule in Python, browser and server."""

import json
from itertools import pairwise
from pathlib import Path

import pytest

from shockmouse_analytics.sampling import keeps, rate_for

VECTORS = json.loads((Path(__file__).parent / "sampling_vectors.json").read_text("utf-8"))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: ascii(vector["device_id"])[:20])
def test_the_shared_vectors_say_where_each_device_changes_sides(vector: dict[str, object]) -> None:
    device_id, value = str(vector["device_id"]), int(str(vector["hash"]))
    assert [keeps(device_id, value / 2**32), keeps(device_id, (value + 1) / 2**32)] == [False, True]


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.5, 0.9])
def test_the_share_of_kept_devices_is_the_rate(rate: float) -> None:
    devices = 20_000
    kept = sum(keeps(f"device-{number}", rate) for number in range(devices))
    assert abs(kept / devices - rate) < 4 * (rate * (1 - rate) / devices) ** 0.5


def test_similar_ids_spread_over_every_tenth() -> None:
    devices = [f"{number:032x}" for number in range(20_000)]
    kept = [[keeps(device, tenth / 10) for tenth in range(11)] for device in devices]  # each is hashed once
    upto = [sum(column) for column in zip(*kept, strict=True)]
    counts = [upper - lower for lower, upper in pairwise(upto)]
    assert [1800 < count < 2200 for count in counts] == [True] * 10


def test_a_higher_rate_keeps_every_device_that_a_lower_one_kept() -> None:
    devices = [f"device-{number}" for number in range(2_000)]
    kept = [{device for device in devices if keeps(device, rate)} for rate in (0.1, 0.3, 0.7, 1.0)]
    assert [low <= high for low, high in pairwise(kept)] == [True] * 3
    assert kept[-1] == set(devices)


def test_a_rate_may_differ_by_type() -> None:
    rates = {"page": 0.5, "performance": 0.01}
    assert [rate_for(rates, kind) for kind in ("page", "performance", "track")] == [0.5, 0.01, 1.0]
    assert rate_for(0.25, "track") == 0.25
