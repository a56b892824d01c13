"""The browser script as it is served: current, small, cached, and under names that no block list knows."""

import gzip
import http.client
import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from msgspec import Struct

from .worker import Worker, running_worker

ROOT = Path(__file__).parents[3]
KEPT_FOR = "public, max-age=3600"


class Fetched(Struct, frozen=True):
    """An answer; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def fetch(worker: Worker, path: str, **headers: str) -> Fetched:
    connection = http.client.HTTPConnection(*worker.address, timeout=30)
    connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    found = {name.lower(): value for name, value in response.getheaders()}
    fetched = Fetched(response.status, found, response.read())
    connection.close()
    return fetched


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    folder = tmp_path_factory.mktemp("worker")
    with running_worker(folder, agent_path="/m/cheese.js", events_path="/m/crumbs") as running:
        yield running


@pytest.fixture(scope="module")
def build_agent() -> Iterator[ModuleType]:
    sys.path.insert(0, str(ROOT / "tools"))
    yield importlib.import_module("build_agent")
    sys.path.remove(str(ROOT / "tools"))


def test_the_served_copies_are_made_of_the_source_as_it_is_now(build_agent: ModuleType) -> None:
    made = build_agent.build(build_agent.SOURCE.read_text(encoding="utf-8"))
    assert [result.read_text(encoding="utf-8") for result in build_agent.RESULTS] == [made, made]


def test_declarations_that_follow_each_other_become_one(build_agent: ModuleType) -> None:
    source = "const a = () => {\n  const b = 1\n  c(b)\n  let d = true\n}\nlet e\nif (e) {\n  f()\n}\nconst g = false\n"
    assert build_agent.build(source) == "let n=()=>{let e=1\nc(e)\nlet a=!0},t\nif(t){f()}\nlet o=!1\n"


def test_comments_and_white_space_are_removed(build_agent: ModuleType) -> None:
    source = 'a = "// no comment" // a comment\n\nb = /[/"]+/.test(a)\n  ? a + +1 : 2 / a / 3\na++\nb()\n'
    assert build_agent.build(source) == 'a="// no comment"\nb=/[/"]+/.test(a)?a+ +1:2/a/3\na++\nb()\n'
    with pytest.raises(build_agent.SourceError, match=r"line 2: '`text`"):
        build_agent.build("a()\n`text`\n")


@pytest.mark.parametrize(
    ("source", "built"),
    [
        ("let first = 1, second\nfirst.first = window.second + second", "let e=1,t\ne.first=window.second+t"),
        ("with_all = (one, { two, three: four = 4 }, [five], ...six) => one + two + four + five + six",
         "with_all=(e,{two:t,three:n=4},[a],...o)=>e+t+n+a+o"),
        ("try { go() } catch (reason) { tell({ reason, cause: reason.cause, ...reason }) }",
         "try{go()}catch(e){tell({reason:e,cause:e.cause,...e})}"),
        ('const text = "text", kept = other.text?.x\ntext.kept(kept)', 'let e="text",t=other.text?.x\ne.kept(t)'),
        # What one statement knows is forgotten by the next; what is known to all is not taken by any.
        ("(() => {\n  const { twice } = a => 2 * a\n  const half = whole => whole / twice(1)\n})()",
         "(()=>{let{twice:u}=e=>2*e,p=e=>e/u(1)})()"),
    ],
)  # fmt: skip
def test_only_what_the_source_declares_gets_short_names(build_agent: ModuleType, source: str, built: str) -> None:
    assert build_agent.build(source + "\n") == built + "\n"


def test_it_is_at_most_6_kib_as_it_is_served(worker: Worker) -> None:
    zipped = fetch(worker, "/agent.js", Accept_Encoding="br, gzip")
    assert zipped.headers["content-encoding"] == "gzip"
    assert gzip.decompress(zipped.body) == fetch(worker, "/agent.js").body
    assert len(zipped.body) <= 6144


def test_it_may_be_kept_by_browsers_and_used_by_every_site(worker: Worker) -> None:
    first = fetch(worker, "/agent.js")
    told = ("content-type", "cache-control", "vary", "access-control-allow-origin", "cross-origin-resource-policy")
    assert [first.status, *(first.headers[name] for name in told)] == [
        200, "text/javascript; charset=utf-8", KEPT_FOR, "Accept-Encoding", "*", "cross-origin"
    ]  # fmt: skip
    again = fetch(worker, "/agent.js", If_None_Match=first.headers["etag"])
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert fetch(worker, "/agent.js", If_None_Match='"another"').status == 200
    zipped = fetch(worker, "/agent.js", Accept_Encoding="gzip")
    assert zipped.headers["etag"] != first.headers["etag"]
    assert fetch(worker, "/agent.js", Accept_Encoding="gzip", If_None_Match=first.headers["etag"]).status == 200
    assert fetch(worker, "/agent.js", Accept_Encoding="gzip", If_None_Match=zipped.headers["etag"]).status == 304


def test_under_its_further_name_it_posts_to_the_further_name_of_ingestion(worker: Worker) -> None:
    usual, further = fetch(worker, "/agent.js"), fetch(worker, "/m/cheese.js")
    posts_to = re.compile(rb'new URL\(\w\.events\|\|"([^"]*)"')
    assert posts_to.findall(usual.body) == [b"v1/events"]
    assert posts_to.findall(further.body) == [b"crumbs"]
    assert further.body == usual.body.replace(b'"v1/events"', b'"crumbs"')
    assert further.headers["etag"] != usual.headers["etag"]
