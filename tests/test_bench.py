"""The benchmarks themselves work: a run with small sizes prints every figure that a full run prints."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server_process import clean_environment

ROOT = Path(__file__).parent.parent
QUESTIONS = [
    "query_stats",
    *["query_timeseries"] * 5,
    *["query_breakdown"] * 4,
    "query_vitals",
    "query_realtime",
    "query_funnel",
    "query_retention",
    "query_filtered",
]


@pytest.mark.timeout(600)
def test_a_quick_run_prints_every_figure_and_views_answer_as_raw_events_do() -> None:
    command = [sys.executable, "-m", "tests.bench", "--quick"]
    printed = subprocess.check_output(command, cwd=ROOT, env=clean_environment(), text=True, timeout=580)
    lines = [json.loads(line) for line in printed.splitlines()]
    assert [line["bench"] for line in lines] == [
        "machine",
        "rss_mb",
        "ingest_batch",
        "ingest_single",
        "visible_ms",
        "visible_ms",
        "bytes_per_event",
        *(["track_us"] * 2),
        *(["client_flush"] * 2),
        "client_burst",
        *(["client_memory_per_event"] * 2),
        "client_import_ms",
        "middleware_us",
        "middleware_us",
        "generate",
        *(QUESTIONS * 2),
        *(["query_growth"] * 11),
        "sketch_accuracy",
        *(["export"] * 3),
        "erasure",
    ]
    assert [line["answers_equal"] for line in lines if "answers_equal" in line] == [True] * 10
    assert [line["lost"] for line in lines if "lost" in line] == [0]
    assert [line["arrived"] for line in lines if "arrived" in line] == [8000]
    assert all(line["ratio"] > 0 for line in lines if "ratio" in line)
    judged = [line for line in lines if "target_p50" in line or "target_events_per_second" in line]
    assert all(line["encode_us"] > 0 for line in judged)
    assert all(any(name.endswith("_at_reference") for name in line) for line in judged)
