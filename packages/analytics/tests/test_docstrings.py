"""The examples in the docstrings of every public name run, and every public name has one."""

import asyncio
import doctest
import inspect
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

import shockmouse_analytics
from shockmouse_analytics import Analytics
from shockmouse_analytics.autotrack import asgi, click, wsgi
from shockmouse_analytics.delivering import Delivering
from shockmouse_analytics.event import cut_batch, encode, encode_head
from shockmouse_analytics.privacy import Consent
from shockmouse_analytics.steps import Steps

KEY = "wk_shop_0123456789"
PUBLIC: dict[str, Any] = {name: getattr(shockmouse_analytics, name) for name in shockmouse_analytics.__all__}
PUBLIC |= {"asgi": asgi.AnalyticsMiddleware, "wsgi": wsgi.AnalyticsMiddleware, "click": click.track_commands}
HELPFUL = {
    thing.__name__: thing
    for thing in (asyncio, datetime, msgspec, Consent, Delivering, Steps, cut_batch, encode_head, click.track_commands)
} | {"encode": encode}
BY_CLASS = {"RequestsManager"}  # its methods are those of its example


def documented() -> Iterator[tuple[str, Any]]:
    """Yield every public name, and the public methods of those that are used by them."""
    for name, thing in PUBLIC.items():
        if name == "__version__":
            continue
        yield name, thing
        if inspect.isclass(thing) and name not in BY_CLASS:
            for member, value in vars(thing).items():
                if not member.startswith("_") and (inspect.isfunction(value) or isinstance(value, property)):
                    yield f"{name}.{member}", value


DOCUMENTED = dict(documented())


@pytest.mark.parametrize("name", DOCUMENTED)
def test_the_examples_of_a_docstring_run(
    client: Callable[..., Analytics], server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("SHOCKMOUSE_CLIENT_OFFLINE_DIR", str(tmp_path / "home"))
    given = {
        **PUBLIC,
        "analytics": client(),
        "endpoint": server.endpoint,
        "folder": tmp_path / "folder",
        "app": lambda *_: None,
        "now": lambda: datetime.now(UTC),
        **HELPFUL,
    }
    if name in ("asgi", "wsgi"):
        given["AnalyticsMiddleware"] = PUBLIC[name]
    text = inspect.getdoc(DOCUMENTED[name]) or ""
    test = doctest.DocTestParser().get_doctest(text, given, name, None, 0)
    assert test.examples, f"{name} has no example"
    told: list[str] = []
    outcome = doctest.DocTestRunner().run(test, out=told.append)
    assert outcome.failed == 0, "".join(told)
