"""An answer that estimates says so: what estimates is known, and stands behind an `exact` that can be false."""

import re
from pathlib import Path

import shockmouse_analytics_server

SOURCE = Path(shockmouse_analytics_server.__file__).parent
DOCS = Path(__file__).parent.parent / "docs"
# ClickHouse's functions that estimate, those of sketches and histograms, and what looks at some of the events only.
ESTIMATES = re.compile(
    r"\b(uniq(?!Exact)|quantiles?(?!Exact|sExact)|median|topK|approx_)\w*\(|\bpow\(1\.02|\{looked_at:", re.IGNORECASE
)
# test_rollups.py and test_properties.py show that each of these answers says it.
SAYING_SO = {
    "breakdown.py",
    "queries/breakdown_hours.sql",
    "queries/vitals_rolled_up.sql",
    "queries/properties.sql",
}


def test_what_estimates_can_say_so() -> None:
    files = [*SOURCE.glob("*.py"), *(SOURCE / "queries").glob("*.sql")]
    estimating = {str(file.relative_to(SOURCE)) for file in files if ESTIMATES.search(code_of(file))}
    assert estimating == SAYING_SO


def code_of(file: Path) -> str:
    """Return SQL without its comments, and of Python what stands in strings."""
    text = file.read_text("utf-8")
    if file.suffix == ".sql":
        return "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    return "\n".join(re.findall(r'"[^"\n]*"', text))


def test_the_documentation_says_which_questions_may_estimate() -> None:
    sections = re.split(r"^## ", (DOCS / "api.md").read_text("utf-8"), flags=re.MULTILINE)
    saying = {
        section.split("`")[1] for section in sections if re.search(r"`exact` is false|says `\"exact\": false`", section)
    }
    assert saying == {"/breakdown", "/vitals", "/properties"}
