"""Signing in to the dashboard, and what the cookie is worth."""

import http.client
import json
import re
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from msgspec import Struct, structs

from shockmouse_analytics_server.assets import NAMES, PAGE
from shockmouse_analytics_server.dashboard import ATTEMPTS_PER_MINUTE
from shockmouse_analytics_server.folder import directory_path
from shockmouse_analytics_server.keys import make_token, token_prefix
from shockmouse_analytics_server.links import Link, add_link
from shockmouse_analytics_server.projects import COOKIES_SECRET, Directory, make_secret
from shockmouse_analytics_server.registry import key_row, revoke
from shockmouse_analytics_server.tickets import (
    MAX_TICKETS,
    Ticket,
    end_session,
    sign,
    ticket_hash,
    tickets,
    write_cookie,
)

from .serving import wait_until
from .worker import Worker, event, running_worker

COOKIE = re.compile(r"shockmouse=([^;]+)")
STATIC = Path(__file__).parent.parent / "src" / "shockmouse_analytics_server" / "static"


class Page(Struct, frozen=True):
    """An answer to a browser."""

    status: int
    headers: dict[str, str]
    body: str

    @property
    def cookie(self) -> str:
        """Return what a browser would send back."""
        found = COOKIE.match(self.headers.get("set-cookie", ""))
        return f"shockmouse={found[1]}" if found else ""


class Browser:
    """Asks like a browser; each has an address of its own, so that attempts do not add up between tests."""

    addresses = iter(range(1, 250))

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self._address = f"198.51.100.{next(self.addresses)}"

    def ask(self, method: str, target: str, body: str | None = None, **headers: str) -> Page:
        connection = http.client.HTTPConnection(*self.worker.address, timeout=30)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, target, body, {"X-Forwarded-For": self._address, **named})
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        page = Page(response.status, found, response.read().decode())
        connection.close()
        return page

    def sign_in(self, key: str, **headers: str) -> Page:
        return self.ask("POST", "/sign-in", urlencode({"key": key}), **headers)

    def link(self) -> str:
        link = Link("site", token_prefix(self.worker.read_key) or "")
        return "/sign-in?token=" + add_link(directory_path(self.worker.data_dir), link, time.time())


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with running_worker(tmp_path_factory.mktemp("worker")) as running:
        with Directory(directory_path(running.data_dir)) as directory:
            directory.store(secrets=[make_secret(COOKIES_SECRET, 0.0, version=1)])
        yield running


@pytest.fixture
def browser(worker: Worker) -> Browser:
    return Browser(worker)


@pytest.fixture
def directory(worker: Worker) -> Iterator[Directory]:
    with Directory(directory_path(worker.data_dir)) as opened:
        yield opened


def test_a_read_key_signs_in(browser: Browser) -> None:
    answer = browser.sign_in(browser.worker.read_key)
    assert (answer.status, answer.headers["location"]) == (303, "/")
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert "SameSite=strict" in answer.headers["set-cookie"]
    assert "Secure" not in answer.headers["set-cookie"]
    assert browser.ask("GET", "/session", Cookie=answer.cookie).status == 200


def test_behind_tls_the_cookie_is_secure(browser: Browser) -> None:
    assert "Secure" in browser.sign_in(browser.worker.read_key, X_Forwarded_Proto="https").headers["set-cookie"]


def test_a_link_signs_in_once(browser: Browser) -> None:
    link = browser.link()
    first, second = browser.ask("GET", link), browser.ask("GET", link)
    assert (first.status, first.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert '"project":"site"' in browser.ask("GET", "/session", Cookie=first.cookie).body
    assert (second.status, second.cookie) == (410, "")


def test_a_look_at_a_link_does_not_use_it_up(browser: Browser) -> None:
    link = browser.link()
    looks = [browser.ask("HEAD", link), browser.ask("GET", link, Sec_Purpose="prefetch;prerender")]
    assert [(look.status, look.cookie) for look in looks] == [(200, ""), (503, "")]
    assert browser.ask("GET", link).cookie != ""


@pytest.mark.parametrize("kind", ["write", "other", "nonsense", "empty"])
def test_nothing_else_signs_in(browser: Browser, kind: str) -> None:
    worker = browser.worker
    tried = {"write": worker.key, "other": worker.other_key, "nonsense": "rk_site_x", "empty": ""}[kind]
    answer = browser.sign_in(tried)
    assert (answer.status, answer.cookie) == (401, "")


def test_the_cookie_stands_for_a_read_key(browser: Browser) -> None:
    cookie = browser.sign_in(browser.worker.read_key).cookie
    assert browser.ask("GET", "/api/v1/stats", Cookie=cookie).status == 503  # asked, but there is no database here
    assert browser.ask("GET", "/api/v1/stats").status == 401
    assert browser.ask("GET", "/api/v1/stats", Cookie=cookie, Authorization="Bearer rk_no").status == 401


def test_a_cookie_that_was_changed_or_is_too_old_is_worth_nothing(browser: Browser, directory: Directory) -> None:
    good = browser.sign_in(browser.worker.read_key).cookie
    secret = directory.secret(COOKIES_SECRET) or b""
    prefix = directory.read_prefix("site")
    old = "shockmouse=" + sign(Ticket("site", prefix, int(time.time()) - 1), secret)
    gone = "shockmouse=" + sign(Ticket("nothing", prefix, int(time.time()) + 60), secret)
    keyless = "shockmouse=" + sign(Ticket("site", "", int(time.time()) + 60), secret)
    forged = "shockmouse=" + sign(Ticket("site", prefix, int(time.time()) + 60), b"")
    tried = [
        good.replace("site", "other"),
        good[:-1],
        good + "0",
        old,
        gone,
        keyless,
        forged,
        "shockmouse=",
        "shockmouse=a.b.c.d.e",
    ]
    assert [browser.ask("GET", "/session", Cookie=cookie).status for cookie in tried] == [401] * len(tried)


def test_signing_out_needs_the_token_of_our_own_page(browser: Browser) -> None:
    cookie = browser.sign_in(browser.worker.read_key).cookie
    token = re.search(r'"token":"(\w+)"', browser.ask("GET", "/session", Cookie=cookie).body)
    assert token is not None
    given = {"Cookie": cookie, "X_CSRF_Token": token[1]}
    assert browser.ask("POST", "/sign-out", Cookie=cookie).status == 403
    assert browser.ask("POST", "/sign-out", **given, Sec_Fetch_Site="cross-site").status == 403
    assert browser.ask("POST", "/sign-out", **given, Origin="https://evil.example").status == 403
    out = browser.ask("POST", "/sign-out", **given)
    assert out.status == 200
    assert "Max-Age=0" in out.headers["set-cookie"]


def test_signing_out_ends_every_copy_of_the_cookie_and_no_other(browser: Browser, directory: Directory) -> None:
    token = make_token("read", "other")
    directory.store(keys=[key_row(directory, "other", "read", token)])
    mine, elsewhere = (browser.sign_in(browser.worker.read_key).cookie for _ in range(2))
    both = browser.sign_in(token, Cookie=mine).cookie
    given = json.loads(browser.ask("GET", "/session", Cookie=both).body)["token"]
    assert browser.ask("POST", "/sign-out", Cookie=both, X_CSRF_Token=given).status == 200
    asked = {"both": both, "the first of them": mine, "another browser's": elsewhere}
    statuses = {name: browser.ask("GET", "/session", Cookie=cookie).status for name, cookie in asked.items()}
    assert statuses == {"both": 401, "the first of them": 401, "another browser's": 200}
    assert browser.ask("GET", "/api/v1/stats", Cookie=both).status == 401
    assert browser.ask("GET", "/session", Cookie=browser.sign_in(browser.worker.read_key).cookie).status == 200


def test_an_ended_ticket_is_remembered_by_every_process_until_its_own_end(directory: Directory) -> None:
    now = int(time.time())
    ticket = Ticket("site", directory.read_prefix("site"), now + 60)
    cookies = {"shockmouse": write_cookie([ticket], directory)}
    with Directory(directory.changes_lock.with_suffix(".sqlite")) as other:
        assert tickets(cookies, other) == [ticket]
        end_session(cookies, directory)
        assert (tickets(cookies, directory), tickets(cookies, other)) == ([], [])
        hashed = ticket_hash(cookies["shockmouse"])
        other.end_tickets({}, now + 59)
        assert directory.is_ended(hashed)
        other.end_tickets({}, now + 61)
        assert not directory.is_ended(hashed)


def test_another_site_cannot_sign_a_visitor_in(browser: Browser) -> None:
    answer = browser.sign_in(browser.worker.read_key, Origin="https://evil.example", Sec_Fetch_Site="cross-site")
    assert (answer.status, answer.cookie) == (403, "")


@pytest.mark.parametrize(
    ("origin", "host", "status"),
    [
        ("https://stats.example.com:8443", "stats.example.com", 303),
        ("https://evil.example", "stats.example.com", 403),
        ("http://[", "[", 403),
        ("null", "null", 403),
        ("", "", 403),
    ],
)
def test_without_fetch_metadata_origin_and_host_are_compared(
    browser: Browser, origin: str, host: str, status: int
) -> None:
    assert browser.sign_in(browser.worker.read_key, Origin=origin, Host=host).status == status


def test_attempts_are_limited_by_address(browser: Browser) -> None:
    statuses = [browser.sign_in("rk_no").status for _ in range(ATTEMPTS_PER_MINUTE * 2 + 1)]
    assert set(statuses) == {401, 429}
    assert Browser(browser.worker).sign_in(browser.worker.read_key).status == 303


def test_an_endless_form_is_refused(browser: Browser) -> None:
    assert browser.ask("POST", "/sign-in", "key=" + "a" * 10_000).status == 413


def test_one_cookie_holds_several_projects_and_the_address_chooses(browser: Browser, directory: Directory) -> None:
    token = make_token("read", "other")
    directory.store(keys=[key_row(directory, "other", "read", token)])
    first = browser.sign_in(browser.worker.read_key).cookie
    both = browser.sign_in(token, Cookie=first).cookie
    told = json.loads(browser.ask("GET", "/session", Cookie=both).body)
    assert [each["project"] for each in told["projects"]] == ["other", "site"]
    assert (told["project"], told["projects"][1]["write_key"]) == ("other", browser.worker.key)
    asked = {"no ticket": (first, "other"), "ticket": (both, "other"), "first": (both, "site"), "unknown": (both, "x")}
    statuses = {
        name: browser.ask("GET", f"/api/v1/stats?project={project}", Cookie=cookie).status
        for name, (cookie, project) in asked.items()
    }
    # 503: asked, but there is no database here
    assert statuses == {"no ticket": 401, "ticket": 503, "first": 503, "unknown": 401}


def test_a_key_is_never_overruled_by_a_project_in_the_address(browser: Browser) -> None:
    cookie = browser.sign_in(browser.worker.read_key).cookie
    key = f"Bearer {browser.worker.read_key}"
    for given in ({"Authorization": key}, {"Authorization": key, "Cookie": cookie}):
        assert '"unknown_parameter"' in browser.ask("GET", "/api/v1/stats?project=other", **given).body


def test_a_cookie_keeps_the_latest_projects(directory: Directory) -> None:
    held = [Ticket("site", directory.read_prefix("site"), 4_000_000_000)] * (MAX_TICKETS + 5)
    cookie = write_cookie(held, directory)
    assert len(cookie) < 4000
    assert tickets({"shockmouse": cookie}, directory) == held[:MAX_TICKETS]


def test_a_posted_question_needs_the_token_of_our_own_page(browser: Browser) -> None:
    cookie = browser.sign_in(browser.worker.read_key).cookie
    token = json.loads(browser.ask("GET", "/session", Cookie=cookie).body)["token"]
    funnel = '{"steps": [{"name": "a"}, {"name": "b"}]}'
    assert browser.ask("POST", "/api/v1/funnel", funnel, Cookie=cookie).status == 401
    assert browser.ask("POST", "/api/v1/funnel", funnel, Cookie=cookie, X_CSRF_Token="0" * 64).status == 401
    assert browser.ask("POST", "/api/v1/funnel", funnel, Cookie=cookie, X_CSRF_Token=token).status == 503
    assert browser.ask("POST", "/api/v1/privacy/erase", "{}", Cookie=cookie, X_CSRF_Token=token).status in (401, 404)


def test_data_health_tells_a_project_its_own_counts_only(browser: Browser, directory: Directory) -> None:
    worker = browser.worker
    good, bad = event(), event(timestamp="never")
    batch = {"batch_id": str(uuid.uuid4()), "events": [good, bad]}
    worker.post(batch)
    worker.post(batch)
    token = make_token("read", "other")
    directory.store(keys=[key_row(directory, "other", "read", token)])
    cookies = {"site": browser.sign_in(worker.read_key).cookie, "other": browser.sign_in(token).cookie}
    told = {name: json.loads(browser.ask("GET", "/data-health", Cookie=value).body) for name, value in cookies.items()}
    own = told["site"]["project"]
    assert (own["accepted"], own["duplicates"], own["rejected"]) == (1, 1, {"bad_timestamp": 2})
    none = {"accepted": 0, "duplicates": 0, "rejected": {}, "dropped": {}, "client_dropped": {}, "quarantine": []}
    assert told["other"]["project"] == none
    assert told["site"]["server"]["spool_rows"] == 1
    assert [told[name]["server"]["refused"] for name in ("site", "other")] == [{}, {}]
    assert browser.ask("GET", "/data-health").status == 401
    assert browser.ask("GET", "/data-health?project=site", Cookie=cookies["other"]).status == 401


def test_data_health_tells_nobody_what_others_sent(browser: Browser, directory: Directory) -> None:
    """Refused: of each project its own; what named no known key is told where there is one project alone."""
    worker = browser.worker
    worker.post(event(), key="wk_mistyped")
    worker.post(b"no json")
    token = make_token("read", "other")
    directory.store(keys=[key_row(directory, "other", "read", token)])
    cookies = {"site": browser.sign_in(worker.read_key).cookie, "other": browser.sign_in(token).cookie}

    def refused() -> dict[str, dict[str, int]]:
        answers = {name: browser.ask("GET", "/data-health", Cookie=value) for name, value in cookies.items()}
        return {name: json.loads(answer.body).get("server", {}).get("refused") for name, answer in answers.items()}

    assert refused() == {"site": {"bad_body": 1}, "other": {}}
    (other,) = [each for each in directory.projects() if each.name == "other"]
    directory.store(projects=[structs.replace(other, deleted=True, version=other.version + 1)])
    wait_until(lambda: refused()["site"] == {"bad_body": 1, "unknown_key": 1}, 5, "site is the only project")


def test_the_pages_hold_no_inline_script_or_style_and_no_inner_html() -> None:
    html = (STATIC / PAGE).read_text(encoding="utf-8")
    scripts = "".join((STATIC / name).read_text(encoding="utf-8") for name in NAMES if name.endswith(".js"))
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=|https?://", html) == []
    assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", scripts) == []


def test_every_file_is_on_the_list_and_all_of_them_are_small() -> None:
    assert sorted(file.name for file in STATIC.iterdir()) == sorted([*NAMES, "agent.js"])
    assert max((STATIC / name).stat().st_size for name in NAMES) < 10_000  # what a first view weighs: tests/browser/


def test_the_page_asks_at_once_for_every_module_of_the_first_view() -> None:
    """Else the browser finds one after another, each on its way through the one before."""
    needed, found = set[str](), {"dashboard.js", "overview.js"}
    while found - needed:
        needed |= found
        texts = [(STATIC / name).read_text("utf-8") for name in needed]
        found = {name for text in texts for name in re.findall(r'^import .* from "\./(\w+\.js)"$', text, re.MULTILINE)}
    page = (STATIC / "dashboard.html").read_text("utf-8")
    assert set(re.findall(r'"/static/VERSION/(\w+\.js)"', page)) == needed


def test_the_page_and_its_files_are_served(browser: Browser) -> None:
    page = browser.ask("GET", "/")
    names = re.findall(r'(?:src|href)="(/static/[^"]+)"', page.body)
    assert {name.rsplit("/", 1)[1] for name in names} >= {"dashboard.js", "shell.css", "views.css", "icon.svg"}
    found = [browser.ask("GET", name) for name in sorted(set(names))]
    assert {(answer.status, "immutable" in answer.headers["cache-control"]) for answer in found} == {(200, True)}


def test_a_browser_that_has_a_file_is_not_sent_it_again(browser: Browser) -> None:
    page = browser.ask("GET", "/")
    assert page.headers["cache-control"] == "no-cache"
    again = browser.ask("GET", "/", If_None_Match=page.headers["etag"])
    assert (again.status, again.body) == (304, "")
    older = browser.ask("GET", "/static/of-an-older-version/dashboard.js")
    assert (older.status, older.headers["cache-control"]) == (200, "no-cache")
    assert browser.ask("GET", "/static/x/agent.js").status == 404
    assert browser.ask("GET", "/static/x/dashboard.html").status == 404


def test_a_revoked_key_ends_its_sessions_and_links(browser: Browser, directory: Directory) -> None:
    unused = browser.link()
    cookies = [browser.sign_in(browser.worker.read_key).cookie, browser.ask("GET", browser.link()).cookie]
    assert [browser.ask("GET", "/session", Cookie=cookie).status for cookie in cookies] == [200, 200]
    old = [row for row in directory.keys("site") if row.kind == "read"]
    newer = key_row(directory, "site", "read", make_token("read", "site"))
    directory.store(keys=[newer, *map(revoke, old)])
    assert [browser.ask("GET", "/session", Cookie=cookie).status for cookie in cookies] == [401, 401]
    late = browser.ask("GET", unused)
    assert (late.status, late.cookie) == (410, "")
