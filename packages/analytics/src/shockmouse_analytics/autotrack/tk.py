"""Windows and buttons of a tkinter program, told by their names in the code; never what was entered.

screen  a window is shown, not for being taken from the taskbar; in `full` mode with its screen, see display.py
click   a button was used, by mouse, keyboard or its `invoke`; check and radio buttons too

A widget's name is the `name` that it was made with, else its class in Python: titles hold names of documents and
persons. A true attribute `shockmouse_ignore` of a widget silences it and all in it.

Tcl has a trace on each button's own command, which all ways of using it end in. It calls Python for `invoke` only, so
that nothing else about a button takes longer.
"""

import tkinter
from typing import Any

from ..analytics import Analytics
from .display import display_context

IGNORE = "shockmouse_ignore"
MAX_TEXT_CHARACTERS = 80

_SHOWN = "_shockmouse_shown"
_BUTTONS = frozenset({"Button", "TButton", "Checkbutton", "TCheckbutton", "Radiobutton", "TRadiobutton"})


def track_windows(root: tkinter.Tk, analytics: Analytics) -> None:
    """Tell of all windows and buttons of this root from now on, as long as it lives."""
    watcher = _Watcher(root, analytics)
    root.bind_all("<Map>", watcher.see_shown, add="+")
    root.bind_all("<Unmap>", watcher.see_hidden, add="+")
    watcher.see_all(root)


class _Watcher:
    """Hears of every widget that appears or goes, and never raises into the program."""

    def __init__(self, root: tkinter.Tk, analytics: Analytics) -> None:
        self._root, self._analytics = root, analytics
        hear = root.register(self._hear)
        self._trace = f"{hear}_invoked"
        filtered = f"if {{[lindex $command 1] eq {{invoke}}}} {{{hear} $command}}"
        root.tk.call("proc", self._trace, "command operation", filtered)

    def see_all(self, widget: tkinter.Misc) -> None:
        """Look at a widget that is there already, and at all in it."""
        if widget.winfo_ismapped():
            self._see(widget)
        for child in widget.winfo_children():
            self.see_all(child)

    def see_shown(self, event: "tkinter.Event[tkinter.Misc]") -> None:
        """Look at a widget that has just appeared; Tk's own, such as a list that pops up, are texts here."""
        if isinstance(event.widget, tkinter.Misc):
            self._see(event.widget)

    def see_hidden(self, event: "tkinter.Event[tkinter.Misc]") -> None:
        """Have a window that the program has hidden told of again, once it is shown again."""
        window = event.widget
        try:
            if getattr(window, _SHOWN, False) and str(self._root.tk.call("wm", "state", str(window))) != "iconic":
                setattr(window, _SHOWN, False)
        except Exception as failure:  # the program's own work matters more
            self._analytics._stumbled("a window could not be told of", failure)

    def _see(self, widget: tkinter.Misc) -> None:
        try:
            if widget.winfo_class() in _BUTTONS:
                self._watch(str(widget))
            elif isinstance(widget, tkinter.Tk | tkinter.Toplevel) and not getattr(widget, _SHOWN, False):
                setattr(widget, _SHOWN, True)
                self._show(widget)
        except Exception as failure:  # as above
            self._analytics._stumbled("a widget could not be told of", failure)

    def _watch(self, path: str) -> None:
        call = self._root.tk.call
        if self._trace not in str(call("trace", "info", "execution", path)):
            call("trace", "add", "execution", path, "enter", self._trace)

    def _show(self, window: tkinter.Tk | tkinter.Toplevel) -> None:
        if not window.overrideredirect() and not is_ignored(window):  # without a frame: a tooltip, a menu
            context = screen_of(window) if self._analytics.privacy == "full" else None
            self._analytics.record("screen", name_of(window), context=context)

    def _hear(self, command: str) -> None:
        try:
            button: Any = self._root.nametowidget(self._root.tk.splitlist(command)[0])
            if not is_disabled(button) and not is_ignored(button):
                self._click(button)
        except Exception as failure:  # as above
            self._analytics._stumbled("a click could not be told of", failure)

    def _click(self, button: Any) -> None:
        text = str(button.cget("text"))[:MAX_TEXT_CHARACTERS]
        told = {"element": type(button).__name__, "id": own_name(button), "text": text}
        told["window"] = name_of(button.winfo_toplevel())
        self._analytics.record("click", name_of(button), {key: value for key, value in told.items() if value})


def screen_of(window: tkinter.Misc) -> dict[str, Any]:
    """Return the window's screen as an event's context tells it."""
    return display_context(window.winfo_screenwidth(), window.winfo_screenheight(), window.winfo_fpixels("1i"))


def own_name(widget: tkinter.Misc) -> str:
    """Return the name that the program gave the widget; empty where tkinter made one up."""
    name = "" if isinstance(widget, tkinter.Tk) else widget.winfo_name()
    return "" if name.startswith("!") else name[:255]


def name_of(widget: tkinter.Misc) -> str:
    """Return the name in the code: the widget's own, else its class's."""
    return own_name(widget) or type(widget).__name__


def is_disabled(button: Any) -> bool:
    """Return whether using the button does nothing; a themed one says so in another way."""
    return bool(button.instate(["disabled"]) if hasattr(button, "instate") else str(button.cget("state")) == "disabled")


def is_ignored(widget: Any) -> bool:
    """Return whether the widget or one it is in is to be left alone."""
    while widget is not None:
        if getattr(widget, IGNORE, False):
            return True
        widget = widget.master
    return False
