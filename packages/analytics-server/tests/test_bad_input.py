"""Every kind of bad input, through a real socket: the right answer, good neighbours kept, the worker none the worse."""

import asyncio
import gzip
import json
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

from shockmouse_analytics_server.errors import BodyError
from shockmouse_analytics_server.request import read_body

from .worker import Worker, encode, event, running_worker


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with running_worker(tmp_path_factory.mktemp("worker")) as running:
        yield running


@pytest.fixture(autouse=True)
def _unharmed(worker: Worker) -> Iterator[None]:
    """After whatever was sent the same process answers, and has not grown by more than a few MB."""
    worker.post(event())
    before = worker.process.memory_info().rss
    yield
    assert worker.ask("GET", "/healthz").status == 200
    assert worker.process.memory_info().rss - before < 24 << 20


def nested(depth: int) -> Any:
    """Return an object in an object … `depth` of them."""
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return value


def with_properties(text: bytes) -> bytes:
    """Return an event whose properties are this text, JSON or not."""
    return encode(event())[:-1] + b',"properties":' + text + b"}"


BODIES: dict[str, tuple[bytes, int, str]] = {
    "empty": (b"", 400, "bad_body"),
    "null": (b"null", 400, "bad_body"),
    "number": (b"5", 400, "bad_body"),
    "string": (b'"x"', 400, "bad_body"),
    "true": (b"true", 400, "bad_body"),
    "empty list": (b"[]", 400, "no_events"),
    "empty object": (b"{}", 400, "no_events"),
    "empty batch": (b'{"events":[]}', 400, "no_events"),
    "no list of events": (b'{"events":null}', 400, "no_events"),
    "events is an object": (b'{"events":{}}', 400, "bad_events"),
    "two documents": (b"{} {}", 400, "bad_json"),
    "trailing garbage": (encode(event()) + b"x", 400, "bad_json"),
    "cut off": (encode(event())[:-1], 400, "bad_json"),
    "byte order mark": (b"\xef\xbb\xbf" + encode(event()), 400, "bad_body"),
    "UTF-16": (json.dumps(event()).encode("utf-16"), 400, "bad_text"),
    "invalid UTF-8": (with_properties(b'{"a":"\xff"}'), 400, "bad_text"),
    "surrogate in UTF-8": (with_properties(b'{"a":"\xed\xa0\x80"}'), 400, "bad_text"),
    "NaN": (with_properties(b'{"a":NaN}'), 400, "bad_json"),
    "Infinity": (with_properties(b'{"a":-Infinity}'), 400, "bad_json"),
    "single quotes": (b"{'a':1}", 400, "bad_json"),
    "thousands of levels": (with_properties(b'{"a":' * 5000 + b"1" + b"}" * 5000), 400, "too_deep"),
    "only brackets": (b"[" * 500_000, 400, "too_deep"),
    "1001 events": (encode([event()] * 1001), 413, "too_many_events"),
    "half a million values": (b"[" + b"1," * 500_000 + b"1]", 413, "too_many_events"),
    "half a million small objects": (b'{"events":[' + b"{}," * 340_000 + b"{}]}", 413, "too_many_events"),
    "a byte over 1 MiB": (b" " * (1 << 20) + b"1", 413, "too_large"),
    "batch id is no UUID": (encode({"batch_id": "x", "events": [event()]}), 400, "bad_batch_id"),
    "sent_at is no time": (encode({"sent_at": "noon", "events": [event()]}), 400, "bad_sent_at"),
    "context is a list": (encode({"context": [], "events": [event()]}), 400, "bad_context"),
    "context too deep": (encode({"context": {"a": nested(32)}, "events": [event()]}), 400, "too_deep"),
    "negative drop counter": (encode({"dropped": {"closed": -1}, "events": [event()]}), 400, "bad_dropped"),
    "library name of 10 KB": (encode({"library": {"name": "x" * 10_240}, "events": [event()]}), 400, "bad_library"),
    "two keys": (
        encode([event(write_key="wk_a_" + "x" * 32), event(write_key="wk_b_" + "x" * 32)]),
        400,
        "two_keys",
    ),
    "the key of another project": (encode(event(write_key="wk_other_" + "x" * 32)), 400, "two_keys"),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_of_no_use_is_refused_whole(worker: Worker, name: str) -> None:
    body, status, code = BODIES[name]
    reply = worker.post(body)
    assert (reply.status, reply.code) == (status, code)


BAD_EVENTS: dict[str, tuple[bytes, str]] = {
    "a number": (b"5", "bad_event"),
    "null": (b"null", "bad_event"),
    "a list": (b"[]", "bad_event"),
    "nothing in it": (b"{}", "bad_event_id"),
    "event id is no UUID": (encode(event(event_id="x")), "bad_event_id"),
    "event id is a number": (encode(event(event_id=5)), "bad_event_id"),
    "event id with a line break": (encode(event(event_id="0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b\n")), "bad_event_id"),
    "no type": (encode(event() | {"type": None}), "bad_type"),
    "unknown type": (encode(event(type="purchase")), "bad_type"),
    "no name": (encode({**event(), "name": ""}), "bad_name"),
    "name is null": (encode(event() | {"name": None}), "bad_name"),
    "name of spaces": (encode(event(name=" \t\u2003")), "bad_name"),
    "name of nothing visible": (encode(event(name="\u200b \u2060")), "bad_name"),
    "name of 256": (encode(event(name="x" * 256)), "bad_name"),
    "name is a number": (encode(event(name=5)), "bad_name"),
    "name is an object": (encode(event(name={"en": "x"})), "bad_name"),
    "page named with spaces": (encode(event(type="page", name="  ")), "bad_name"),
    **{
        f"{field} is {shown}": (encode(event() | {field: value}), f"bad_{field}")
        for field in ("device_id", "user_id", "session_id")
        for shown, value in (
            ("null", None),
            ("undefined", "undefined"),
            ("NULL", "NULL"),
            ("an object as text", "[object Object]"),
            ("a space", " "),
            ("10 KB", "x" * 10_240),
            ("a number", 7),
        )
    },
    **{
        f"timestamp {value}": (encode(event() | {"timestamp": value}), "bad_timestamp")
        for value in (
            "",
            "0000-00-00",
            "2026-13-01T00:00:00Z",
            "2026-02-30T00:00:00Z",
            "2026-11-22",
            "2026-11-22T24:00:00Z",
            "2026-11-22T10:00:61Z",
            "2026-11-22T10:00:00+25:00",
            "9999-12-31T23:59:60Z",
            "1e30",
            "now",
            1e30,
            1795428005,
            None,
        )
    },
    "session start is no time": (encode(event(session_started_at="noon")), "bad_session_started_at"),
    "unknown privacy": (encode(event(privacy="none")), "bad_privacy"),
    **{f"sample rate {rate}": (encode(event(sample_rate=rate)), "bad_sample_rate") for rate in (0, -1, 1.1, 1e-9, "1")},
    **{f"seq {seq}": (encode(event(seq=seq)), "bad_seq") for seq in (2**63, 2**64, -1, 1.5, "1")},
    **{
        f"screen width {width}": (encode(event(context={"screen": {"width": width, "height": 1}})), "bad_context")
        for width in (2**32, 2**64, -1, 1.5, "1920")
    },
    "lone surrogate": (with_properties(b'{"a":"\\ud800"}'), "bad_text"),
    "lone surrogate in a key": (with_properties(b'{"\\uDC00":1}'), "bad_text"),
    "surrogates in the wrong order": (with_properties(b'{"a":"\\ude00\\ud83d"}'), "bad_text"),
    "lone surrogate in the name": (encode(event(name="a\udfff")), "bad_text"),
    "lone surrogate in the context": (encode(event(context={"page": {"title": "\ud800"}})), "bad_text"),
    "5000 digits": (with_properties(b'{"a":' + b"1" * 5000 + b"}"), "bad_number"),
    "integer 2^64": (with_properties(b'{"a":18446744073709551616}'), "bad_number"),
    "integer below -2^63": (with_properties(b'{"a":[-9223372036854775809]}'), "bad_number"),
    "1e400": (with_properties(b'{"a":1e400}'), "bad_number"),
    "properties are a list": (with_properties(b"[1]"), "bad_properties"),
    "properties are text": (with_properties(b'"{}"'), "bad_properties"),
    "depth 33": (encode(event(properties=nested(33))), "too_deep"),
    "depth 33 of lists": (with_properties(b'{"a":' + b"[" * 32 + b"]" * 32 + b"}"), "too_deep"),
    "depth 33 of user properties": (encode(event(user_properties=nested(33))), "too_deep"),
    "513 keys": (encode(event(properties={f"k{number}": 1 for number in range(513)})), "too_many_keys"),
    "513 keys of three objects": (
        encode(
            event(
                properties={"a": {f"k{number}": 1 for number in range(200)}},
                user_properties={f"k{number}": 1 for number in range(200)},
                context={f"k{number}": 1 for number in range(112)},
            )
        ),
        "too_many_keys",
    ),
    "70,000 keys": (encode(event(properties={f"k{number}": 1 for number in range(70_000)})), "too_large"),
    "key of 257 bytes": (encode(event(properties={"a": {"é" * 128 + "k": 1}})), "too_large"),
    "key of 10 KB": (encode(event(properties={"k" * 10_240: 1})), "too_large"),
    "string over 16 KiB": (encode(event(properties={"a": "x" * 16_385})), "too_large"),
    "65 KiB": (encode(event(properties={str(number): "x" * 1000 for number in range(65)})), "too_large"),
    "fingerprint is text": (encode(event(fingerprint="x")), "bad_fingerprint"),
    "fingerprint of lists": (encode(event(fingerprint={"signals": {"os": []}})), "bad_fingerprint"),
    "context is text": (encode(event(context="x")), "bad_context"),
    "url is an object": (encode(event(context={"page": {"url": {}}})), "bad_context"),
}


@pytest.mark.parametrize("name", BAD_EVENTS)
def test_a_bad_event_is_rejected_with_a_code_and_its_neighbours_are_kept(worker: Worker, name: str) -> None:
    bad, code = BAD_EVENTS[name]
    before, after = event(), event()
    together = worker.post(b"[" + b",".join((encode(before), bad, encode(after))) + b"]")
    assert (together.status, together.content["accepted"], together.verdicts) == (200, 2, [(1, code)])
    assert [len(worker.rows(each["event_id"])) for each in (before, after)] == [1, 1]
    alone = worker.post(b"[" + bad + b"]")
    assert (alone.status, alone.code, alone.verdicts) == (400, code, [(0, code)])


def test_a_batch_of_bad_events_only_says_so(worker: Worker) -> None:
    reply = worker.post([event(name=5), event(timestamp="")])
    assert (reply.status, reply.code, reply.verdicts) == (400, "all_rejected", [(0, "bad_name"), (1, "bad_timestamp")])


def test_a_rejection_names_the_event_and_the_limit(worker: Worker) -> None:
    bad = event(user_id="x" * 257)
    assert worker.post(bad).content["rejected"] == [
        {
            "index": 0,
            "event_id": bad["event_id"],
            "code": "bad_user_id",
            "reason": f'user_id is "{"x" * 39}… (257 characters), but should be a text of at most 256 characters',
        }
    ]


ODD_PROPERTIES: dict[str, tuple[bytes, bytes]] = {
    "null": (b"null", b"{}"),
    "duplicate keys, the last wins": (b'{"a":1,"b":{"c":1,"c":2},"a":3}', b'{"a":3,"b":{"c":2}}'),
    "keys of prototypes": (b'{"__proto__":{"x":1},"constructor":2}', b'{"__proto__":{"x":1},"constructor":2}'),
    "dots and empty keys": (b'{"a.b":1,"a":{"b":2},"":3,".":4}', b'{"a.b":1,"a":{"b":2},"":3,".":4}'),
    "surrogate pair": (b'{"a":"\\ud83d\\ude00"}', '{"a":"😀"}'.encode()),
    "an escaped backslash before what looks like a surrogate": (b'{"a":"\\\\ud800"}', b'{"a":"\\\\ud800"}'),
    "NUL and control characters": (b'{"a\\u0000":"\\u0001\\n"}', b'{"a\\u0000":"\\u0001\\n"}'),
    "integers of 64 bits": (
        b'{"a":18446744073709551615,"b":-9223372036854775808}',
        b'{"a":18446744073709551615,"b":-9223372036854775808}',
    ),
    "32 levels": (encode(nested(32)).replace(b" ", b""), encode(nested(32)).replace(b" ", b"")),
    **{
        f"text {text}": (json.dumps({"a": text}).encode(), json.dumps({"a": text}, separators=(",", ":")).encode())
        for text in (
            "=cmd|' /C calc'!A0",
            "+1",
            "-1",
            "@x",
            "\t1",
            "\r1",
            "'; DROP TABLE events; --",
            "\\'",
            "trailing \\",
            "{x:String}",
            "%s%n",
            "`",
            "<script>alert(1)</script>",
        )
    },
}


@pytest.mark.parametrize("name", ODD_PROPERTIES)
def test_odd_but_harmless_properties_are_stored_as_they_are(worker: Worker, name: str) -> None:
    sent, stored = ODD_PROPERTIES[name]
    body = with_properties(sent)
    reply = worker.post(body)
    assert (reply.status, reply.content) == (200, {"accepted": 1, "duplicates": 0, "rejected": []})
    (row,) = worker.rows(json.loads(body)["event_id"])
    assert bytes(row.properties) == stored


def test_512_keys_and_keys_and_strings_at_their_limits_are_stored(worker: Worker) -> None:
    properties = {f"k{number}": 1 for number in range(510)} | {"é" * 128: "", "text": "x" * 16_384}
    row = worker.store(event(properties=properties))
    assert json.loads(bytes(row.properties)) == properties


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "'; DROP TABLE", "\\'", "trailing \\", "{x:String}", "%s", "`"])
def test_names_and_ids_are_literal(worker: Worker, text: str) -> None:
    row = worker.store(event(name=text, user_id=text, device_id=text, session_id=text))
    assert (row.name, row.user_id, row.device_id, row.session_id) == (text, text, text, text)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/" + "a" * 64_000,
        "https://bücher.example/straße",
        "http://169.254.169.254/latest/meta-data/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "http://[broken",
        "//",
    ],
)
def test_any_url_is_stored_cut_and_never_fetched(worker: Worker, url: str) -> None:
    assert worker.store(event(context={"page": {"url": url, "referrer": url}})).url == url[:2048]


def test_a_user_agent_of_100_kb_is_cut_not_refused(worker: Worker) -> None:
    long = "Mozilla/5.0 " + "a1 (" * 25_000
    assert worker.store(event(context={"user_agent": long})).user_agent == long[:512]
    inside = {"context": {"user_agent": long}, "events": [event()]}
    assert worker.post(inside).status == 200


def test_null_in_place_of_an_object_is_an_empty_one(worker: Worker) -> None:
    batch = dict.fromkeys(("library", "context", "dropped"))
    within = dict.fromkeys(("fingerprint", "properties", "user_properties", "context"))
    assert worker.post({**batch, "events": [event(**within)]}).status == 200


def test_the_same_event_twice_in_a_batch_is_stored_once(worker: Worker) -> None:
    once = event()
    again = event(event_id=once["event_id"].upper(), name="other")
    reply = worker.post([once, again])
    assert (reply.status, reply.content) == (200, {"accepted": 1, "duplicates": 1, "rejected": []})
    assert [row.name for row in worker.rows(once["event_id"])] == [once["name"]]


GZIPPED = gzip.compress(encode(event()))
ENCODED: dict[str, tuple[str, bytes, int, str]] = {
    "plain body": ("gzip", encode(event()), 400, "bad_gzip"),
    "empty": ("gzip", b"", 400, "bad_gzip"),
    "gzip without saying so": ("", GZIPPED, 400, "bad_text"),
    "bomb": ("gzip", gzip.compress(b"\0" * 50_000_000, 1), 413, "too_large"),
    "nested": ("gzip", gzip.compress(GZIPPED), 415, "bad_content_encoding"),
    "gzip, gzip": ("gzip, gzip", gzip.compress(GZIPPED), 415, "bad_content_encoding"),
    "br": ("br", b"\x0b\x02\x80{}\x03", 415, "bad_content_encoding"),
    "zstd": ("zstd", b"\x28\xb5\x2f\xfd", 415, "bad_content_encoding"),
    "deflate": ("deflate", zlib.compress(encode(event())), 415, "bad_content_encoding"),
    "cut off": ("gzip", GZIPPED[:-9], 400, "bad_gzip"),
    "no length at its end": ("gzip", GZIPPED[:-1], 400, "bad_gzip"),
    "bad CRC": ("gzip", GZIPPED[:-8] + b"\0\0\0\0" + GZIPPED[-4:], 400, "bad_gzip"),
    "trailing garbage": ("gzip", GZIPPED + b"x", 400, "bad_gzip"),
    "two members": ("gzip", GZIPPED + GZIPPED, 400, "bad_gzip"),
    "50,000 empty members": ("gzip", gzip.compress(b"") * 50_000, 400, "bad_gzip"),
}


@pytest.mark.parametrize("name", ENCODED)
def test_only_one_sound_gzip_member_is_inflated(worker: Worker, name: str) -> None:
    encoding, body, status, code = ENCODED[name]
    reply = worker.post(body, Content_Encoding=encoding)
    assert (reply.status, reply.code) == (status, code)


def test_a_gzipped_batch_is_accepted(worker: Worker) -> None:
    reply = worker.post(gzip.compress(encode([event(), event()])), Content_Encoding="gzip")
    assert (reply.status, reply.content["accepted"]) == (200, 2)


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "text/plain", "text/plain;charset=UTF-8"]
)
def test_json_and_the_text_of_beacons_are_read(worker: Worker, content_type: str) -> None:
    assert worker.post(event(), Content_Type=content_type).status == 200


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/xml",
        "application/x-protobuf",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
        "application/json; charset=utf-16",
    ],
)
def test_other_types_are_not_read(worker: Worker, content_type: str) -> None:
    assert worker.post(event(), Content_Type=content_type).status == 415


HEAD = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer %b\r\n"


def status_of(answer: bytes) -> bytes:
    """Return the status of a raw answer, empty when the connection just ended."""
    return answer[9:12]


def refused(answer: bytes) -> tuple[bytes, str]:
    """Return status and code of a raw answer that refuses in the usual form and ends the connection."""
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.lower().splitlines()
    assert {b"connection: close", b"content-type: application/json", b"content-length: %d" % len(body)} <= set(lines)
    error = json.loads(body)["error"]
    assert error["reason"]
    return status_of(answer), error["code"]


def test_a_length_over_the_limit_is_refused_before_any_body(worker: Worker) -> None:
    answer = worker.talk(HEAD % worker.key.encode() + b"Content-Length: 1048577\r\n\r\n")
    assert (status_of(answer), b'"too_large"' in answer) == (b"413", True)


def test_an_endless_chunked_body_is_refused_at_the_limit(worker: Worker) -> None:
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    answer = worker.talk(HEAD % worker.key.encode() + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 64)
    assert status_of(answer) == b"413"


def test_a_chunked_body_is_accepted(worker: Worker) -> None:
    body = encode(event())
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    head = HEAD % worker.key.encode() + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    assert status_of(worker.talk(head, chunked)) == b"200"


AMBIGUOUS = {
    "two lengths": b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "two equal lengths": b"Content-Length: 2\r\ncontent-length: 2\r\n\r\n{}",
    "equal lengths in one": b"Content-Length: 2, 2\r\n\r\n{}",
    "equal lengths in folded lines": b"Content-Length:\r\n 2,\r\n 2\r\n\r\n{}",
    "a line that ends with a bare LF": b"X-Odd: 1\nContent-Length: 2\r\n\r\n{}",
    "a head that ends with a bare LF": b"Content-Length: 2\r\n\n{}",
    "a length beside chunks": b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a length that is no number": b"Content-Length: -2\r\n\r\n{}",
    "a chunk that ends wrong": b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}xx0\r\n\r\n",
    "a chunk of no size": b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "another transfer encoding": b"Transfer-Encoding: gzip\r\n\r\n{}",
    "a further transfer encoding": b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a header without a colon": b"nonsense\r\n\r\n",
    "a header's name with a space": b"Content-Length : 2\r\n\r\n{}",
}


CODES = {"a length beside chunks": "ambiguous_length"}


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_a_request_whose_end_is_unclear_is_refused(worker: Worker, name: str) -> None:
    answer = worker.talk(HEAD % worker.key.encode() + AMBIGUOUS[name])
    assert refused(answer) == (
        b"400",
        "bad_transfer_encoding" if "encoding" in name else CODES.get(name, "bad_request"),
    )


@pytest.mark.parametrize(
    "head",
    [b"GET /healthz HTTP/1.1\r\n\r\n", b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"GET /healthz\r\n\r\n"],
    ids=["no host", "two hosts", "HTTP/0.9"],
)
def test_what_is_no_request_is_told_so(worker: Worker, head: bytes) -> None:
    assert refused(worker.talk(head))[0] == b"400"


@pytest.mark.parametrize(
    "headers",
    [b"X-Long: " + b"x" * 65_536 + b"\r\n", b"".join(b"X-%d: 1\r\n" % number for number in range(1000))],
    ids=["64 KiB", "1000 headers"],
)
def test_too_long_a_head_is_refused(worker: Worker, headers: bytes) -> None:
    answer = worker.talk(HEAD % worker.key.encode() + headers + b"Content-Length: 2\r\n\r\n{}")
    assert refused(answer)[0] == b"431"


@pytest.mark.parametrize("target", ["/sessions/%00", "/v1/events%0A", "/v1/events%7f"])
def test_a_path_with_control_characters_is_refused_for_them(worker: Worker, target: str) -> None:
    reply = worker.ask("GET", target)
    reason = "the path must be without control characters, %00 to %1F and %7F"
    assert (reply.status, reply.content) == (400, {"error": {"code": "bad_path", "reason": reason}})


@pytest.mark.parametrize("target", [b"@evil", b"v1/events", b"http://x/v1/events", b"*", b"/v1/events\x01"])
def test_a_target_that_is_no_path_is_refused(worker: Worker, target: bytes) -> None:
    answer = worker.talk(b"POST %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}" % target)
    assert status_of(answer) == b"400"


@pytest.mark.parametrize(
    "opening",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 512,
        b"GET /v1/events\r\n\r\n",
        b"\0" * 70_000,
    ],
    ids=["HTTP/2", "TLS", "HTTP/0.9", "zeros"],
)
def test_other_protocols_are_turned_away(worker: Worker, opening: bytes) -> None:
    # Whoever still sends when the connection is closed may not see the answer.
    assert status_of(worker.talk(opening)) in ((b"400",) if len(opening) < 1000 else (b"400", b""))


def test_an_upgrade_to_http_2_is_not_taken(worker: Worker) -> None:
    offer = b"Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
    answer = worker.talk(b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + offer)
    assert status_of(answer) == b"200"


def test_a_websocket_is_turned_away(worker: Worker) -> None:
    offer = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n\r\n"
    answer = worker.talk(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n" + offer % (b"A" * 22 + b"=="))
    assert status_of(answer) == b"403"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "TRACE", "BREW"])
def test_other_methods_are_refused_with_what_is_allowed(worker: Worker, method: str) -> None:
    reply = worker.ask(method, "/v1/events", headers={"Authorization": f"Bearer {worker.key}"})
    assert reply.status == 405
    assert {"POST", "OPTIONS"} <= set(reply.headers["allow"].split(", "))


def test_keys_of_every_wrong_kind_are_refused(worker: Worker) -> None:
    unknown = worker.key[:-1] + ("a" if worker.key[-1] != "a" else "b")
    answers = {
        name: (reply.status, reply.code)
        for name, reply in {
            "none": worker.post(event(), key=None),
            "malformed": worker.post(event(), key="x"),
            "not ASCII": worker.post(event(), key="wk_site_é"),
            "two in one header": worker.post(event(), key=f"{worker.key}, {worker.other_key}"),
            "two in one header with their scheme": worker.post(event(), key=f"{worker.key}, Bearer {worker.other_key}"),
            "10 KB": worker.post(event(), key="wk_site_" + "x" * 10_000),
            "unknown": worker.post(event(), key=unknown),
            "another scheme": worker.post(event(), key=None, Authorization=f"Basic {worker.key}"),
            "read key": worker.post(event(), key=worker.read_key),
            "two keys": worker.post(event(), target=f"/v1/events?key={worker.other_key}"),
            "unknown, with a body of no use": worker.post(b"x", key=unknown, Content_Type="text/html"),
        }.items()
    }
    assert answers == {
        "none": (401, "no_key"),
        "malformed": (401, "unknown_key"),
        "not ASCII": (401, "unknown_key"),
        "two in one header": (400, "two_keys"),
        "two in one header with their scheme": (400, "two_keys"),
        "10 KB": (401, "unknown_key"),
        "unknown": (401, "unknown_key"),
        "another scheme": (401, "no_key"),
        "read key": (403, "wrong_key"),
        "two keys": (400, "two_keys"),
        "unknown, with a body of no use": (401, "unknown_key"),
    }


def test_two_authorization_headers_name_one_key_or_none_is_taken(worker: Worker) -> None:
    body = encode(event())
    head = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n"
    head += b"Content-Length: %d\r\n" % len(body)

    def sent(*keys: str) -> bytes:
        lines = b"".join(b"Authorization: Bearer %b\r\n" % key.encode() for key in keys)
        return worker.talk(head + lines + b"\r\n" + body)

    for keys in ((worker.key, worker.other_key), (worker.other_key, worker.key)):
        assert b"two_keys" in sent(*keys)
        assert status_of(sent(*keys)) == b"400"
    assert status_of(sent(worker.key, worker.key)) == b"200"


def test_a_body_that_never_ends_is_given_up() -> None:
    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": b" ", "more_body": True}

    with pytest.raises(BodyError) as refused:
        asyncio.run(read_body(receive, {}, max_bytes=1 << 20, seconds=0.1))
    assert (refused.value.status, refused.value.code) == (408, "slow_body")


def test_the_key_is_judged_before_the_body_is_there(worker: Worker) -> None:
    answer = worker.talk(HEAD % b"wk_site_x" + b"Content-Length: 1000\r\n\r\n")
    assert status_of(answer) == b"401"


FORWARDED = {
    "a list of 10,000": ", ".join(f"10.0.{number // 250}.{number % 250}" for number in range(10_000)),
    "a list of 500": ", ".join(f"127.0.0.{number % 250}" for number in range(500)),
    "zone": "fe80::1%eth0",
    "garbage": "'; --, \t,,, unknown, 999.1.1.1, [::1",
    "port": "203.0.113.7:4711",
    "empty": "",
}


@pytest.mark.parametrize("name", FORWARDED)
def test_odd_forwarded_addresses_do_no_harm(worker: Worker, name: str) -> None:
    reply = worker.post(event(), X_Forwarded_For=FORWARDED[name], Forwarded=FORWARDED[name])
    assert reply.status == (431 if len(FORWARDED[name]) > 16_384 else 200)


def test_a_key_that_nobody_knows_is_told_from_none(worker: Worker) -> None:
    reason = worker.post(event(), key="wk_site_unknown").content["error"]["reason"]
    assert reason.startswith("the server does not know this key")
    assert worker.post(event(), key=None).content["error"]["reason"].startswith("a write key is needed")
