"""The database seam: what goes through HTTP to the engine comes back as it was."""

import datetime as dt
from uuid import UUID

import pytest

from shockmouse_analytics_server.clickhouse import Database
from shockmouse_analytics_server.errors import BadRowsError, DatabaseError, QuestionLimitError

pytestmark = pytest.mark.engine

NASTY = [
    "",
    "'; DROP TABLE t",
    "\\",
    "\\'",
    "tab\there",
    "line\nbreak\r",
    "{x:String}",
    "%s",
    "`",
    "日本",
    "\x00\x07",
    "\\N",
]


def test_every_text_is_bound_as_it_is(database):
    async def scenario(opened: Database) -> list:
        sql = "select {text:String} as text, {texts:Array(String)} as texts"
        return [await opened.fetch(sql, params={"text": text, "texts": [text, "x"]}) for text in NASTY]

    assert database.run(scenario) == [[{"text": text, "texts": [text, "x"]}] for text in NASTY]


def test_values_of_all_kinds_are_bound(database):
    at = dt.datetime(2026, 11, 23, 22, 15, 0, 123000, dt.timezone(dt.timedelta(hours=2)))
    uuid = UUID("0190a2b4-0000-7000-8000-000000000001")

    async def scenario(opened: Database) -> list:
        sql = (
            "select {at:DateTime64(3, 'UTC')} as at, {at3:DateTime64(3, 'Asia/Tokyo')} as at3, {day:Date} as day, "
            "{n:Int64} as n, {x:Float64} as x, {yes:UInt8} as yes, {id:UUID} as id, {none:Nullable(String)} as none, "
            "{ids:Array(UUID)} as ids, {numbers:Array(UInt64)} as numbers, {whole:DateTime('UTC')} as whole"
        )
        params = {"at": at, "at3": at, "day": dt.date(2026, 1, 2), "n": -(2**63), "x": 1.5, "yes": True, "id": uuid}
        params |= {"none": None, "ids": [uuid], "numbers": [1, 2**64 - 1], "whole": at.replace(microsecond=0)}
        return await opened.fetch(sql, params=params)

    assert database.run(scenario) == [
        {
            "at": "2026-11-23T20:15:00.123Z",
            "at3": "2026-11-23T20:15:00.123Z",
            "day": "2026-01-02",
            "n": -(2**63),
            "x": 1.5,
            "yes": 1,
            "id": str(uuid),
            "none": None,
            "ids": [str(uuid)],
            "numbers": [1, 2**64 - 1],
            "whole": "2026-11-23T20:15:00Z",
        }
    ]


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("select 'format' as format", 1),
        ("  with 1 as one\nselect one", 1),
        ("SELECT 1 AS one", 1),
        ("show tables from system like 'one'", 1),
        ("describe system.one", 1),
        ("exists system.one", 1),
        ("explain ast select 1", 9),
    ],
)
def test_whatever_asks_gets_rows(database, sql, rows):
    async def scenario(opened: Database) -> list:
        return await opened.fetch(sql)

    assert 0 < len(database.run(scenario)) <= rows


def test_rows_are_inserted_and_a_token_counts_once(database):
    async def scenario(opened: Database) -> list:
        await opened.execute(
            "create table t (a UInt64, b String) engine = MergeTree order by a "
            "settings non_replicated_deduplication_window = 9"
        )
        for _ in range(3):
            await opened.insert("t", ("a", "b"), b'[1,"x"]\n[2,"\\"y"]', settings={"insert_deduplication_token": "1:a"})
        return await opened.fetch("select * from t order by a")

    assert database.run(scenario) == [{"a": 1, "b": "x"}, {"a": 2, "b": '"y'}]


def test_unreadable_rows_are_refused_whole(database):
    async def scenario(opened: Database) -> list:
        await opened.execute("create table t (a UInt64) engine = MergeTree order by a")
        with pytest.raises(BadRowsError):
            await opened.insert("t", ("a",), b'[1]\n["x"]\n[3]')
        return await opened.fetch("select * from t")

    assert database.run(scenario) == []


def test_an_error_has_its_code(database):
    async def scenario(opened: Database) -> int:
        with pytest.raises(DatabaseError) as caught:
            await opened.fetch("select * from nowhere")
        return caught.value.code

    assert database.run(scenario) == 60


def test_a_question_over_its_limits_ends(database):
    async def scenario(opened: Database) -> int:
        with pytest.raises(QuestionLimitError) as caught:
            await opened.fetch(
                "select max(sipHash64(number)) from numbers(1000000000000)", settings={"max_execution_time": 1}
            )
        return caught.value.code

    assert database.run(scenario) == 159


def test_a_long_answer_streams_whole(database):
    async def scenario(opened: Database) -> bytes:
        sql = "select number from numbers(1000000)"
        return b"".join([chunk async for chunk in opened.stream(sql, format="JSONCompactEachRow")])

    assert database.run(scenario) == b"".join(b"[%d]\n" % number for number in range(1_000_000))


def test_a_stream_that_fails_midway_raises(database):
    size = 0

    async def scenario(opened: Database) -> None:
        nonlocal size
        async for chunk in opened.stream("select throwIf(number = 900000) from numbers(1000000)", format="TSV"):
            size += len(chunk)

    with pytest.raises(DatabaseError, match="throwIf"):
        database.run(scenario)
    assert size > 1_000_000


REFUSED = [
    "select * from file('/etc/passwd', 'LineAsString')",
    "select file('/etc/hostname')",
    "select `file` /* */ ('/etc/hostname')",
    "select * from url('http://127.0.0.1:1/', 'LineAsString')",
    "select * from remote('127.0.0.1', 'system', 'one')",
    "select * from executable('x', 'TSV', 'a String')",
    "select * from sqlite('/tmp/x', 't')",
    "select * from s3('http://127.0.0.1:1/bucket/key', 'TSV', 'a String')",
    "select * from mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
    "select 1 into outfile '/tmp/shockmouse-outfile'",
    "insert into t values (2)",
    "create table u (x UInt8) engine = Memory",
    "create temporary table u (x UInt8)",
    "alter table t delete where 1",
    "truncate table t",
    "drop table t",
    "system shutdown",
    "kill query where 1",
    "set readonly = 0",
    "select 1 settings readonly = 0",
]


@pytest.mark.parametrize("sql", REFUSED)
def test_the_query_role_only_reads_tables(database, sql):
    async def scenario(opened: Database) -> None:
        await opened.execute("create table t (x UInt8) engine = MergeTree order by x")
        await opened.insert("t", ("x",), b"[1]")

    async def question(opened: Database) -> list:
        with pytest.raises(DatabaseError):
            await opened.fetch(sql)
        with pytest.raises(DatabaseError):
            await opened.execute(sql)
        return await opened.fetch("select x from t")

    database.run(scenario)
    assert database.run(question, read_only=True) == [{"x": 1}]


def test_a_parameter_may_be_long(database):
    text = "ü" * 100_000

    async def scenario(opened: Database) -> list:
        return await opened.fetch("select lengthUTF8({text:String}) as n", params={"text": text})

    assert database.run(scenario) == [{"n": 100_000}]


def test_an_empty_block_is_no_insert(database):
    async def scenario(opened: Database) -> list:
        await opened.execute("create table t (x UInt8) engine = MergeTree order by x")
        await opened.insert("t", ("x",), b"")
        return await opened.fetch("select x from t")

    assert database.run(scenario) == []


@pytest.mark.parametrize("format_name", ["Native", "Parquet", "JSONEachRow"])
def test_what_streams_out_goes_in_again(database, format_name):
    async def scenario(opened: Database) -> list:
        for table in ("here", "there"):
            await opened.execute(
                f"create table {table} (a UInt64, b Array(String), j JSON) engine = MergeTree order by a"
            )
        sql = """insert into here select number, [toString(number), '\n'], '{"a":{"b":1}}' from numbers(1000)"""
        await opened.execute(sql)
        body = b"".join([chunk async for chunk in opened.stream("select * from here order by a", format=format_name)])
        await opened.insert("there", ("a", "b", "j"), body, format=format_name)
        hashes = "select sum(cityHash64(a, b, toString(j))) as hash, count() as rows from {}"
        return [await opened.fetch(hashes.format(table)) for table in ("here", "there")]

    here, there = database.run(scenario)
    assert here == there
    assert here[0]["rows"] == 1000


@pytest.mark.parametrize("format_name", ["Native", "JSONCompactEachRow"])
def test_a_view_that_fails_is_heard_and_healed_by_the_same_block(database, format_name):
    token = {"insert_deduplication_token": "a", "deduplicate_blocks_in_dependent_materialized_views": 1}
    window = "settings non_replicated_deduplication_window = 100"
    failing = "create materialized view v to target as select a + throwIf(a = 2) as a from raw"
    healthy = "create materialized view v to target as select a from raw"

    async def scenario(opened: Database) -> list:
        for table in ("raw", "target"):
            await opened.execute(f"create table {table} (a UInt64) engine = MergeTree order by a {window}")
        rows = "select toUInt64(number + 1) as a from numbers(2)"
        body = b"".join([chunk async for chunk in opened.stream(rows, format=format_name)])
        await opened.execute(failing)
        with pytest.raises(DatabaseError) as caught:
            await opened.insert("raw", ("a",), body, settings=token, format=format_name)
        await opened.execute("drop table v sync")
        await opened.execute(healthy)
        await opened.insert("raw", ("a",), body, settings=token, format=format_name)
        counted = await opened.fetch("select (select count() from raw) as raw, (select count() from target) as target")
        return [type(caught.value), counted]

    assert database.run(scenario) == [DatabaseError, [{"raw": 2, "target": 2}]]


def test_a_connection_that_is_used_again_has_no_setting_of_an_earlier_question(database):
    async def scenario(opened: Database) -> list:
        found = []
        for number in (3, None, 3, 5, None):
            settings = {"readonly": 1} | ({"max_threads": number} if number else {})
            sql = "select getSetting('max_threads') as threads, currentDatabase() as name"
            found += await opened.fetch(sql, settings=settings)
            with pytest.raises(DatabaseError):
                await opened.fetch("select throwIf(true) as failed", settings=settings)
            with pytest.raises(DatabaseError):
                await opened.execute("set max_threads = 7", settings=settings)
        return [(row["threads"], row["name"]) for row in found]

    threads, name = zip(*database.run(scenario), strict=True)
    assert (threads[0], *threads[2:4]) == (3, 3, 5)
    assert threads[1] == threads[4] not in (3, 5, 7)
    assert set(name) == {database.name}


def test_a_connection_that_is_used_again_forgets_what_an_earlier_question_bound(database):
    async def scenario(opened: Database) -> list:
        await opened.fetch("select {one:String} as one", params={"one": "mine"})
        with pytest.raises(DatabaseError, match="one"):
            await opened.fetch("select {one:String} as one")
        return await opened.fetch("select {one:String} as one", params={"one": "other"})

    assert database.run(scenario) == [{"one": "other"}]
