"""Windows, buttons, actions and dialogs of a PySide6 program, told by their names in the code; never what was entered.

screen  a window is shown; in `full` mode with its screen, see display.py
click   a button was clicked or an action triggered, by mouse or keyboard
form    a dialog ended: its outcome, how long it was open, and which fields were touched, in that order

A widget's name is its objectName, else its class: titles hold names of documents and persons. A true property
`shockmouse-ignore` of a widget silences it and all in it. The fields of passwords are not even named.
"""

import time
from typing import Any

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDialog,
    QLineEdit,
    QPlainTextEdit,
    QTextEdit,
    QToolButton,
    QWidget,
)

from ..analytics import Analytics
from ..privacy import redact
from .display import display_context

IGNORE = "shockmouse-ignore"
MAX_TEXT_CHARACTERS = 80

_WATCHED = "_shockmouse_watched"
_INPUTS = (QLineEdit, QComboBox, QAbstractSpinBox, QTextEdit, QPlainTextEdit, QAbstractButton)
_TOUCHES = frozenset({QEvent.Type.KeyPress, QEvent.Type.MouseButtonPress})
_KINDS = frozenset({QEvent.Type.Show, QEvent.Type.Polish, QEvent.Type.ActionAdded}) | _TOUCHES
_LEAVING = frozenset({Qt.Key.Key_Tab, Qt.Key.Key_Backtab, Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Escape})


def track_widgets(application: QApplication, analytics: Analytics) -> QObject:
    """Tell of all windows from now on; return what does it, for `application.removeEventFilter`."""
    watcher = Watcher(application, analytics)
    for widget in application.allWidgets():
        watcher.watch(widget)
        for action in widget.actions():
            watcher.watch(action)
    application.installEventFilter(watcher)
    return watcher


class Watcher(QObject):  # type: ignore[misc]  # PySide6 need not be installed where types are checked
    """Sees every event of the application, and lets all of them pass."""

    def __init__(self, application: QApplication, analytics: Analytics) -> None:
        super().__init__(application)
        self._analytics = analytics
        self._opened: dict[QDialog, float] = {}
        self._touched: dict[QDialog, dict[str, None]] = {}

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Look at the event; never filter it, never raise."""
        kind = event.type()
        if kind in _KINDS:
            try:
                self._see(watched, event, kind)
            except Exception as failure:  # the program's own work matters more
                self._analytics._stumbled("a widget could not be told of", failure)
        return False

    def watch(self, watched: QObject) -> None:
        """Hear of clicks of a button, of an action and of the end of a dialog, once each."""
        if not isinstance(watched, QAbstractButton | QAction | QDialog) or watched.property(_WATCHED):
            return
        watched.setProperty(_WATCHED, True)
        if isinstance(watched, QAbstractButton):
            watched.clicked.connect(self._hear_click)
        elif isinstance(watched, QAction):
            watched.triggered.connect(self._hear_click)
        else:
            watched.finished.connect(self._hear_end)

    def _see(self, watched: QObject, event: QEvent, kind: QEvent.Type) -> None:
        if kind == QEvent.Type.ActionAdded:
            self.watch(event.action())
        elif not isinstance(watched, QWidget):
            return
        elif kind == QEvent.Type.Polish:
            self.watch(watched)
        elif kind in _TOUCHES:
            if kind == QEvent.Type.MouseButtonPress or event.key() not in _LEAVING:
                self._touch(watched)
        elif watched.isWindow() and not event.spontaneous() and not is_ignored(watched):
            self._show(watched)

    def _show(self, window: QWidget) -> None:
        if isinstance(window, QDialog):
            self.watch(window)
            self._opened[window], self._touched[window] = time.monotonic(), {}
        elif window.windowType() in (Qt.WindowType.Window, Qt.WindowType.Widget):
            context = screen_of(window) if self._analytics.privacy == "full" else None
            self._analytics.record("screen", name_of(window), context=context)

    def _touch(self, widget: QWidget) -> None:
        touched = self._touched.get(widget.window())
        if touched is not None and isinstance(widget, _INPUTS) and not is_ignored(widget) and is_nameable(widget):
            touched.setdefault(widget.objectName())

    def _hear_click(self) -> None:
        clicked = self.sender()
        if isinstance(clicked, QToolButton) and clicked.defaultAction() is not None:
            return  # its action tells
        if is_ignored(clicked):
            return
        text = clicked.text().replace("&", "")[:MAX_TEXT_CHARACTERS]
        told: dict[str, Any] = {"element": type(clicked).__name__, "id": clicked.objectName(), "text": text}
        if isinstance(clicked, QWidget):
            told["window"] = name_of(clicked.window())
        self._analytics.record("click", name_of(clicked), {key: value for key, value in told.items() if value})

    def _hear_end(self, result: int) -> None:
        dialog = self.sender()
        opened, touched = self._opened.pop(dialog, None), self._touched.pop(dialog, {})
        if opened is None:
            return
        outcome = "submit" if result == QDialog.DialogCode.Accepted else "abandon"
        duration_ms = round((time.monotonic() - opened) * 1000)
        told = {"outcome": outcome, "fields": list(touched), "duration_ms": duration_ms}
        self._analytics.record("form", name_of(dialog), told)


def screen_of(window: QWidget) -> dict[str, Any]:
    """Return the window's screen as an event's context tells it."""
    screen = window.screen()
    size, ratio = screen.size(), screen.devicePixelRatio()
    return display_context(size.width(), size.height(), screen.logicalDotsPerInch(), ratio)


def name_of(watched: QObject) -> str:
    """Return the name in the code: the object's own, else its class's."""
    return str(watched.objectName() or type(watched).__name__)[:255]


def is_ignored(watched: QObject | None) -> bool:
    """Return whether the object or one it is in is to be left alone."""
    while watched is not None:
        if watched.property(IGNORE):
            return True
        watched = watched.parent()
    return False


def is_nameable(widget: QWidget) -> bool:
    """Return whether a field has a name, and one that is of no secret."""
    if isinstance(widget, QLineEdit) and widget.echoMode() != QLineEdit.EchoMode.Normal:
        return False
    name = widget.objectName()
    return bool(name) and redact({name: "x"}) == {name: "x"}
