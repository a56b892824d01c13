"""Signing in, several projects, the empty state that becomes data: the dashboard of a new server."""

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import reading
from tests.browser.reader import Reader
from tests.browser.shop import MACHINES
from tests.server_process import Keys, Server

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def new_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("new")) as running:
        yield running


@pytest.fixture(scope="module")
def other(new_server: Server) -> Keys:
    return new_server.create_project("other")


@pytest.fixture
def stranger(chromium: Browser, new_server: Server) -> Iterator[Reader]:
    with reading(chromium, new_server) as somebody:
        yield somebody


def send(server: Server, key: str | None = None, agent: str = MACHINES[0].agent) -> None:
    now = datetime.now(UTC).isoformat()
    event = {"event_id": str(uuid4()), "type": "page", "timestamp": now, "context": {"user_agent": agent}}
    assert server.post({"events": [event]}, key).status == 200


def test_a_wrong_key_is_told_in_place_and_the_right_one_signs_in(stranger: Reader) -> None:
    page = stranger.page
    page.goto(stranger.server.url)
    page.get_by_label("Read key").fill(stranger.server.keys.write_key)
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("not a read key")
    page.get_by_label("Read key").fill(stranger.server.keys.read_key)
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Overview")
    page.click("#more summary")
    page.click("text=Sign out")
    expect(page.get_by_label("Read key")).to_be_visible()


def test_a_link_signs_in_once_and_says_so_when_it_is_used(chromium: Browser, stranger: Reader) -> None:
    server = stranger.server
    link = server.command("project", "link", "together", "--port", str(server.port)).strip()
    stranger.page.goto(link)
    expect(stranger.page.locator("h1")).to_have_text("Overview")
    assert stranger.page.url == f"{server.url}/"
    with reading(chromium, server) as second:
        second.page.goto(link)
        expect(second.page.get_by_role("alert")).to_contain_text("used already")


def test_whoever_was_given_an_address_signs_in_to_what_it_shows(stranger: Reader, other: Keys) -> None:
    page = stranger.page
    page.goto(f"{stranger.server.url}/?view=sessions&period=7d&project=other")
    page.get_by_label("Read key").fill(stranger.server.keys.read_key)
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("shows the project “other”")
    page.get_by_label("Read key").fill(other.read_key)
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Sessions")
    assert stranger.address == {"view": ["sessions"], "period": ["7d"], "project": ["other"]}
    assert page.get_by_label("Project").input_value() == "other"


def test_projects_signed_in_to_can_be_switched(stranger: Reader, other: Keys) -> None:
    stranger.sign_in()
    stranger.sign_in(other.read_key)
    page = stranger.open()
    choice = page.get_by_label("Project")
    assert choice.input_value() == "other"
    assert other.write_key in page.locator(".snippet code").first.inner_text()
    choice.select_option("together")
    stranger.ready()
    assert stranger.address == {"project": ["together"]}
    assert stranger.server.keys.write_key in page.locator(".snippet code").first.inner_text()


def test_a_project_not_signed_in_to_is_not_told_of(stranger: Reader, other: Keys) -> None:
    stranger.sign_in()
    api = f"{stranger.server.url}/api/v1/stats"
    assert stranger.context.request.get(f"{api}?project=together").status == 200
    assert stranger.context.request.get(f"{api}?project={other.project}").status == 401
    key = {"Authorization": f"Bearer {other.read_key}"}
    assert stranger.context.request.get(f"{api}?project=together", headers=key).status == 400


def test_the_empty_state_turns_into_data_by_itself(stranger: Reader) -> None:
    keys = stranger.server.create_project("fresh")
    stranger.sign_in(keys.read_key)
    page = stranger.open()
    expect(page.locator("h2").first).to_have_text("Waiting for the first event")
    snippets = page.locator(".snippet code")
    tag = f'<script defer src="{stranger.server.url}/agent.js" data-key="{keys.write_key}"></script>'
    assert snippets.nth(0).inner_text() == tag
    assert f'Analytics("{keys.write_key}", endpoint="{stranger.server.url}")' in snippets.nth(1).inner_text()
    stranger.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy: In a web site").click()
    expect(page.locator(".copy [role=status]").first).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == tag
    stranger.keep("empty")
    for view in ("sessions", "devices", "funnels", "retention", "paths", "vitals", "bots", "list", "live"):
        note = stranger.open(f"?view={view}").locator("#room > .note")
        expect(note).to_have_text("No event of this project has come yet. See what to paste.")
    stranger.click(note.get_by_role("link"))
    assert snippets.nth(0).inner_text() == tag
    expect(stranger.open("?view=health").locator(".verdict")).to_have_text("No event has come yet.")
    stranger.open()
    send(stranger.server, keys.write_key)
    expect(page.locator(".total strong").first).to_have_text("1", timeout=15_000)
