"""Commands of real Click and Typer programs are told of, and never what was typed."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shockmouse_analytics import Analytics
from shockmouse_analytics.autotrack.click import track_commands

click = pytest.importorskip("click", reason="Click is not installed")
typer = pytest.importorskip("typer", reason="Typer is not installed")

Make = Callable[..., Analytics]


def a_shop() -> Any:
    @click.group(name="shop")
    def shop() -> None:
        """A shop."""

    @shop.group()
    def order() -> None:
        """Orders."""

    @order.command()
    @click.argument("customer")
    @click.option("--token")
    def add(customer: str, token: str) -> str:
        return f"{customer} {token}"

    @order.command()
    @click.argument("code", type=int)
    def leave(code: int) -> None:
        raise SystemExit(code)

    @order.command()
    def wrong() -> None:
        raise click.UsageError("never so")

    @order.command()
    def broken() -> None:
        raise KeyError("secret")

    return shop


def told(analytics: Analytics, server: Any) -> list[dict[str, Any]]:
    assert analytics.flush()
    events = [event["properties"] for event in server.events]
    assert {event["name"] for event in server.events} == {"Command ended"}
    assert all(0 <= event.pop("duration_ms") < 5000 for event in events)
    return events


def test_a_command_is_told_by_its_path_without_its_arguments(client: Make, server: Any) -> None:
    analytics = client()
    shop = track_commands(a_shop(), analytics)
    result = shop(["order", "add", "ann", "--token", "hunter2"], prog_name="shop", standalone_mode=False)
    assert result == "ann hunter2"
    assert told(analytics, server) == [{"command": "shop order add", "exit_code": 0}]
    assert "hunter2" not in str(server.requests)
    assert "ann" not in str(server.events[0]["properties"])


@pytest.mark.parametrize(
    ("arguments", "code", "exception"),
    [
        (["leave", "3"], 3, "SystemExit"),
        (["wrong"], 2, "UsageError"),
        (["broken"], 1, "KeyError"),
    ],
)
def test_a_failure_goes_on_with_its_code(
    client: Make, server: Any, arguments: list[str], code: int, exception: str
) -> None:
    analytics = client()
    shop = track_commands(a_shop(), analytics)
    with pytest.raises((SystemExit, KeyError)) as caught:
        shop(["order", *arguments], prog_name="shop")
    if isinstance(caught.value, SystemExit):
        assert caught.value.code == code
    command = f"shop order {arguments[0]}"
    assert told(analytics, server) == [{"command": command, "exit_code": code, "exception": exception}]
    assert "secret" not in str(server.requests)


def test_a_typer_program_is_told_of_too(client: Make, server: Any) -> None:
    app = typer.Typer()

    @app.command()
    def hello(name: str) -> None:
        raise typer.Exit(4 if name == "ann" else 0)

    @app.command()
    def bye() -> None:
        pass

    analytics = client()
    command = track_commands(typer.main.get_command(app), analytics)
    with pytest.raises(SystemExit):
        command(["hello", "ann"], prog_name="greet")
    with pytest.raises(SystemExit):
        command(["bye"], prog_name="greet")
    assert told(analytics, server) == [
        {"command": "greet hello", "exit_code": 4, "exception": "Exit"},
        {"command": "greet bye", "exit_code": 0},
    ]


def test_a_group_that_runs_by_itself_is_told_once(client: Make, server: Any) -> None:
    @click.group(invoke_without_command=True)
    def top() -> None:
        """Runs alone too."""

    @top.command()
    def inner() -> None:
        pass

    analytics = client()
    track_commands(top, analytics)
    top([], prog_name="top", standalone_mode=False)
    top(["inner"], prog_name="top", standalone_mode=False)
    assert told(analytics, server) == [{"command": "top", "exit_code": 0}, {"command": "top inner", "exit_code": 0}]


def test_something_else_is_refused(client: Make) -> None:
    with pytest.raises(TypeError, match="typer"):
        track_commands(typer.Typer(), client())


def test_the_program_of_the_documentation_tells_of_its_command(program: Any, server: Any) -> None:
    page = (Path(__file__).parents[2] / "docs" / "programs.md").read_text("utf-8")
    (shown,) = re.findall(r"^```python shop_cli.py\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    text = shown.replace("wk_…", "wk_shop_0123456789").replace("https://stats.example.com", server.endpoint)
    ended = program.run(f"import sys\nsys.argv[1:] = ['order', 'ann']\n{text}")
    assert (ended.code, ended.output, ended.complaints) == (0, "ordered for ann\n", [])
    assert program.run("from shockmouse_analytics import Analytics\nassert Analytics().deliver_stored(30)").code == 0
    (event,) = server.events
    assert (event["properties"]["command"], event["properties"]["exit_code"]) == ("shop order", 0)
