"""A real PySide6 program without a screen: windows, clicks and dialogs are told of, what was entered is not."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shockmouse_analytics import Analytics
from shockmouse_analytics.event import Privacy

widgets = pytest.importorskip("PySide6.QtWidgets", reason="PySide6 or libegl1 is missing", exc_type=ImportError)

from PySide6.QtCore import Qt  # noqa: E402
from PySide6.QtGui import QAction  # noqa: E402
from PySide6.QtTest import QTest  # noqa: E402

from shockmouse_analytics.autotrack.qt import track_widgets  # noqa: E402

Make = Callable[..., Analytics]


@pytest.fixture
def application(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    return widgets.QApplication.instance() or widgets.QApplication([])


@pytest.fixture
def analytics(application: Any, client: Make) -> Iterator[Analytics]:
    made = client()
    watcher = track_widgets(application, made)
    yield made
    application.removeEventFilter(watcher)


def told(analytics: Analytics, server: Any) -> list[tuple[str, str, dict[str, Any]]]:
    assert analytics.flush()
    return [(event["type"], event["name"], event.get("properties", {})) for event in server.events]


def test_a_window_is_a_screen_by_its_name_in_the_code(analytics: Analytics, server: Any) -> None:
    named, unnamed = widgets.QMainWindow(objectName="Editor", windowTitle="letter to ann.txt"), widgets.QWidget()
    for window in (named, unnamed):
        window.show()
    named.hide()
    named.show()
    assert told(analytics, server) == [("screen", "Editor", {}), ("screen", "QWidget", {}), ("screen", "Editor", {})]
    assert "ann" not in str(server.requests)


@pytest.mark.parametrize("mode", ["strict", "balanced", "full"])
def test_the_screen_is_told_in_full_mode_only(application: Any, client: Make, server: Any, mode: Privacy) -> None:
    analytics = client(privacy=mode)
    watcher = track_widgets(application, analytics)
    widgets.QMainWindow(objectName="Editor").show()
    application.removeEventFilter(watcher)
    assert analytics.flush()
    (event,) = server.events
    shown = {"screen": {"width": 800, "height": 800}, "display": {"dpi": 96, "pixel_ratio": 1.0}}
    assert event.get("context") == (shown if mode == "full" else None)


def test_a_screen_that_is_scaled_is_told_rounded(program: Any, server: Any) -> None:
    ended = program.run(
        "import os\nos.environ |= {'QT_QPA_PLATFORM': 'offscreen', 'QT_SCALE_FACTOR': '1.3'}\n"
        "from PySide6.QtWidgets import QApplication, QMainWindow\nfrom shockmouse_analytics import Analytics\n"
        "from shockmouse_analytics.autotrack.qt import track_widgets\n"
        "analytics = Analytics(privacy='full')\napplication = QApplication([])\n"
        "watcher = track_widgets(application, analytics)\nQMainWindow().show()\nassert analytics.flush(20)\n"
    )
    assert ended.code == 0, ended.errors
    (event,) = server.events
    assert event["context"]["display"] == {"dpi": 96, "pixel_ratio": 1.25}
    assert {size % 100 for size in event["context"]["screen"].values()} == {0}


def test_buttons_and_actions_are_clicks_by_mouse_and_keyboard(analytics: Analytics, server: Any) -> None:
    window = widgets.QMainWindow(objectName="Editor")
    button = widgets.QPushButton("&Save", window, objectName="save")
    quiet = widgets.QPushButton("Quiet", window)
    quiet.setProperty("shockmouse-ignore", True)
    action = QAction("E&xport", window, objectName="export")
    bar = window.addToolBar("Tools")
    bar.addAction(action)
    window.show()
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    QTest.keyClick(button, Qt.Key.Key_Space)
    QTest.mouseClick(quiet, Qt.MouseButton.LeftButton)
    QTest.mouseClick(bar.widgetForAction(action), Qt.MouseButton.LeftButton)
    action.trigger()
    saved = ("click", "save", {"element": "QPushButton", "id": "save", "text": "Save", "window": "Editor"})
    exported = ("click", "export", {"element": "QAction", "id": "export", "text": "Export"})
    assert told(analytics, server) == [("screen", "Editor", {}), saved, saved, exported, exported]


@pytest.mark.parametrize(("end", "outcome"), [("accept", "submit"), ("reject", "abandon")])
def test_a_dialog_is_a_form_with_the_names_of_touched_fields(
    application: Any, analytics: Analytics, server: Any, end: str, outcome: str
) -> None:
    dialog = widgets.QDialog(objectName="Login")
    layout = widgets.QVBoxLayout(dialog)
    fields = [widgets.QLineEdit(objectName=name) for name in ("city", "nickname", "entry", "api_key", "untouched")]
    fields[2].setEchoMode(widgets.QLineEdit.EchoMode.Password)
    for field in reversed(fields):
        layout.addWidget(field)
    dialog.show()
    dialog.activateWindow()
    assert QTest.qWaitForWindowActive(dialog)
    QTest.keyClick(fields[-1], Qt.Key.Key_Tab)
    for field in fields[:-1]:
        field.setFocus()
        QTest.keyClicks(field, "hunter2")
    getattr(dialog, end)()
    ((kind, name, properties),) = told(analytics, server)
    assert 0 <= properties.pop("duration_ms") < 20_000
    assert (kind, name, properties) == ("form", "Login", {"outcome": outcome, "fields": ["city", "nickname"]})
    assert "hunter2" not in str(server.requests)


def test_widgets_that_were_there_before_are_told_of(application: Any, client: Make, server: Any) -> None:
    button = widgets.QPushButton("Go", objectName="go")
    button.show()
    made = client()
    watcher = track_widgets(application, made)
    button.click()
    application.removeEventFilter(watcher)
    assert [name for _, name, _ in told(made, server)] == ["go"]


def test_the_program_of_the_documentation_tells_of_its_window(program: Any, server: Any) -> None:
    page = (Path(__file__).parents[2] / "docs" / "programs.md").read_text("utf-8")
    (shown,) = re.findall(r"^```python editor.py\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    text = shown.replace("wk_…", "wk_shop_0123456789").replace("https://stats.example.com", server.endpoint)
    start = "import os\nos.environ['QT_QPA_PLATFORM'] = 'offscreen'\n"
    ended = program.run(f"{start}{text}\nwindow.findChild(QPushButton).click()\nassert analytics.flush(20)\n")
    assert ended.code == 0, ended.errors
    assert [(event["type"], event["name"]) for event in server.events] == [("screen", "Editor"), ("click", "save")]
