"""How long questions take from the views and from raw events, over generated events of 30 days.

Both ways go through the server's own Database to the same engine, as the query API does: the views by the server's
questions, raw events by one statement that answers the same. Beside them stands the whole HTTP question.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from shockmouse_analytics_server.clickhouse import Database, open_database
from shockmouse_analytics_server.question import Question, parse_question
from shockmouse_analytics_server.stats import stats
from shockmouse_analytics_server.timeseries import timeseries
from tests.bench.ingestion import BATCH_CONNECTIONS, BATCH_EVENTS, Result, finished, loading
from tests.bench.load import write_requests
from tests.bench.traffic import Traffic
from tests.oracle import TOTALS, query
from tests.server_process import Server

DAYS = 30
CHUNK = 1_000_000
ARRIVING_PER_SECOND = 5000

# Sessions of 1, 5 and 34 events, 4.2 of them a device: 10 million events make 750,000 sessions of 180,000 devices.
GENERATE = """
insert into events (project, at, event_id, batch_id, type, name, session_id, session_started,
    device_id, user_id, privacy, sample_rate, timestamp, received_at, url, host, path,
    referrer_host, country, browser, os, device_type, library_name,
    properties, user_properties, context, retention)
select
    'together', started + toIntervalSecond(20 * step), generateUUIDv4(), generateUUIDv4(number),
    if(step = 0 or dice % 5 < 2, 'page', 'track'), concat('step ', toString(dice % 40)),
    concat('session-', toString(session)), started,
    device, concat('user-', toString(dice % 5000)), 'balanced', 1, toString(started), started,
    concat('https://example.com', path), 'example.com', path,
    ['', 'search.example', 'news.example'][dice % 3 + 1], ['FR', 'DE', 'US', 'JP'][session % 4 + 1],
    ['Chrome', 'Safari', 'Firefox'][session % 3 + 1], ['Windows', 'iOS', 'Linux'][session % 3 + 1],
    ['desktop', 'mobile'][session % 2 + 1], 'bench',
    concat('{{"price":', toString(dice % 1000), ',"plan":"', ['free', 'pro'][dice % 2 + 1], '"}}'), '{{}}', '{{}}', 395
from
(
    select
        number, intHash32(number) as dice, number % 40 as place,
        intDiv(number, 40) * 3 + (place >= 1) + (place >= 6) as session,
        place - multiIf(place >= 6, 6, place >= 1, 1, 0) as step,
        concat('device-', toString(intHash64(session) % {devices})) as device,
        toDateTime64('{start} 00:00:00', 3, 'UTC') + toIntervalSecond(intHash32(session * 7) % {seconds}) as started,
        concat('/articles/', toString(dice % 200)) as path
    from numbers({first}, {count})
)
"""
RAW_SESSIONS = """
select device_id, min(at) as started, max(at) as ended, countIf(type in ('page', 'screen')) as pages,
    countIf(type in ('track', 'click', 'form')) as actions, count() as events
from events
where project = 'together' and bot = '' and at >= '{start}' and at < '{end}'
group by toDate(session_started) as start_day, device_id, session_id
"""
RAW_STATS = """
select uniqExact(device_id) as visitors, count() as sessions, sum(pages) as pageviews, sum(events) as events,
    countIf(pages = 1 and actions = 0) / count() as bounce_rate, avg(ended - started) as session_duration_seconds
from ({sessions})
"""
RAW_VISITORS = (
    "select toDate(started) as day, uniqExact(device_id) as value from ({sessions}) group by day order by day"
)
RAW_PAGEVIEWS = """
select toDate(at) as day, count() as value from events
where project = 'together' and bot = '' and type in ('page', 'screen') and at >= '{start}' and at < '{end}'
group by day order by day
"""


class Questions:
    """One server with generated events, asked both ways."""

    def __init__(self, server: Server, folder: Path, repeats: int) -> None:
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self._range = {"start": f"{today - timedelta(days=DAYS + 1):%F}", "end": f"{today:%F}"}
        self._server = server
        self._folder = folder
        self._repeats = repeats
        self._events = 0

    def generate(self, events: int) -> float:
        """Have so many generated events stored in all, by inserts that fill the views; return the seconds it took."""
        started = time.monotonic()
        while self._events < events:
            count = min(CHUNK, events - self._events)
            names = {"devices": max(1, events * 18 // 1000), "seconds": DAYS * 86400, "first": self._events}
            query(self._server.data_dir, GENERATE.format(**names, **self._range, count=count), seconds=600)
            self._events += count
        for table in ("events", *TOTALS):
            query(self._server.data_dir, f"optimize table {table} final", seconds=600)
        return time.monotonic() - started

    def ask(self) -> list[Result]:
        """Return the figures with nothing else going on, and once more while events arrive."""
        results = asyncio.run(self._measure(arriving=0))
        path = self._folder / "arriving"
        seconds = 5 + self._repeats * sum(result["raw_ms"] + 2 * result["views_ms"] for result in results) * 2 / 1000
        batches = int(min(seconds, 60) * ARRIVING_PER_SECOND / BATCH_EVENTS)
        write_requests(path, Traffic(2).batches(batches, BATCH_EVENTS, self._server.keys.write_key))
        rate = ARRIVING_PER_SECOND / BATCH_EVENTS
        with loading(self._server.port, path, BATCH_CONNECTIONS, rate) as process:
            results += asyncio.run(self._measure(arriving=ARRIVING_PER_SECOND))
            finished(process)
        return results

    async def _measure(self, arriving: int) -> list[Result]:
        async with open_database(data_dir=self._server.data_dir, clickhouse_url=None, role="query") as database:
            measured = [await self._stats(database)]
            for metric, sql in (("visitors", RAW_VISITORS), ("pageviews", RAW_PAGEVIEWS)):
                measured.append(await self._timeseries(database, metric, sql))
        return [result | {"events": self._events, "arriving_per_second": arriving} for result in measured]

    async def _stats(self, database: Database) -> Result:
        asked = self._question()
        times, (answer, rows, _) = await self._time_in_turns(
            lambda: stats(database, asked, with_previous=False),
            lambda: self._raw(database, RAW_STATS),
            lambda: self._http("stats"),
        )
        expected = {name: round(value, 3) for name, value in rows[0].items()}
        equal = {name: round(float(str(answer[name])), 3) for name in expected} == expected
        return {"bench": "query_stats"} | times | {"answers_equal": equal}

    async def _timeseries(self, database: Database, metric: str, sql: str) -> Result:
        asked = self._question()
        times, (answer, rows, _) = await self._time_in_turns(
            lambda: timeseries(database, asked, metric=metric, interval="day"),
            lambda: self._raw(database, sql),
            lambda: self._http("timeseries", metric=metric, interval="day"),
        )
        equal = [row["value"] for row in answer if row["value"]] == [row["value"] for row in rows]
        return {"bench": "query_timeseries", "metric": metric} | times | {"answers_equal": equal}

    def _question(self) -> Question:
        items = [("from", self._range["start"]), ("to", self._range["end"])]
        month, now = timedelta(days=DAYS), datetime.now(UTC)
        return parse_question(items, project="together", timezone="UTC", now=now, usually=month, also=frozenset())[0]

    async def _raw(self, database: Database, sql: str) -> list[dict[str, Any]]:
        return await database.fetch(sql.format(sessions=RAW_SESSIONS.format(**self._range), **self._range))

    async def _http(self, path: str, **parameters: str) -> Any:
        asked = parameters | {"from": self._range["start"], "to": self._range["end"]}
        return await asyncio.to_thread(self._server.ask, path, **asked)

    async def _time_in_turns(self, *ways: Callable[[], Awaitable[Any]]) -> tuple[Result, list[Any]]:
        """Return median milliseconds of views, raw events and HTTP, asked in turns after a first time; the answers."""
        answers = [await way() for way in ways]
        times: list[list[float]] = [[] for _ in ways]
        for _ in range(self._repeats):
            for taken, way in zip(times, ways, strict=True):
                started = time.perf_counter()
                await way()
                taken.append((time.perf_counter() - started) * 1000)
        views_ms, raw_ms, http_ms = map(median, times)
        figures = {"views_ms": round(views_ms, 1), "raw_ms": round(raw_ms, 1), "ratio": round(raw_ms / views_ms, 1)}
        return figures | {"target_ratio": 5, "http_ms": round(http_ms, 1)}, answers
