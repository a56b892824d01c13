"""What is said to a question that needs more than it may take: which limit that is, and what of it to narrow."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence

from .clickhouse import QUERY_LIMITS
from .errors import QuestionError, QuestionLimitError
from .question import Question
from .ranges import format_utc, to_ms

READ = {158}
SECONDS = {159, 160}
MEMORY = {241}
ROWS = {191, 307, 396}
LIMITS = (
    (READ, f"it would look at more than {QUERY_LIMITS['max_rows_to_read']:,} events"),
    (SECONDS, f"it takes more than {QUERY_LIMITS['max_execution_time']} seconds"),
    (MEMORY, f"it takes more than {int(str(QUERY_LIMITS['max_memory_usage'])) / 1e9:g} GB of memory"),
    (ROWS, f"its answer has more than {QUERY_LIMITS['max_result_rows']:,} rows or is too large"),
)


@contextlib.contextmanager
def explained(question: Question, given: Mapping[str, str], filters: Sequence[str]) -> Iterator[None]:
    """Raise QuestionError, with what to narrow, where the block raises that the question is over its limits."""
    try:
        yield
    except QuestionLimitError as exc:
        limit = next((words for codes, words in LIMITS if exc.code in codes), "it is too complicated")
        ways = "; ".join(narrower(question, given, filters))
        raise QuestionError(f"the question is too large: {limit}. {ways}", code="over_limits", status=422) from exc


def narrower(question: Question, given: Mapping[str, str], filters: Sequence[str]) -> Iterator[str]:
    """Yield what may be narrowed, the most helpful first."""
    start, end = to_ms(question.range.start), to_ms(question.range.end)
    days = (end - start) / 86_400_000
    yield f"Narrow the range, now from {format_utc(start)} to {format_utc(end)} ({days:,.1f} days)"
    names = [text.partition(":")[0] for text in filters]
    if not names:
        yield "add a filter, such as type:is:page or name:is:…"
    elif not {"type", "name"} & set(names):
        yield f"filter by type or name beside {', '.join(dict.fromkeys(names))}"
    if "dimension" in given:
        yield f"take a dimension with fewer values than {given['dimension']}"
    if "interval" in given:
        yield f"take longer intervals than {given['interval']}"
    if "limit" in given:
        yield f"ask for fewer rows than limit={given['limit']}"
