"""A real tkinter program on a screen of its own: windows and clicks are told of, what was entered is not."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shockmouse_analytics import Analytics
from shockmouse_analytics.event import Privacy

tkinter = pytest.importorskip("tkinter", reason="this Python has no tkinter", exc_type=ImportError)
if not (shutil.which("Xvfb") and shutil.which("openbox")):
    pytest.skip("Xvfb or openbox is missing", allow_module_level=True)

from tkinter import ttk  # noqa: E402

from shockmouse_analytics.autotrack.tk import track_windows  # noqa: E402

Make = Callable[..., Analytics]


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a screen of 1280 × 1024 that nobody sees, with a window manager; the name of it."""
    reading, writing = os.pipe()
    options = ["-displayfd", str(writing), "-screen", "0", "1280x1024x24", "-dpi", "110", "-nolisten", "tcp"]
    with subprocess.Popen(["Xvfb", *options], pass_fds=[writing], stderr=subprocess.DEVNULL) as process:
        os.close(writing)
        with os.fdopen(reading) as told:
            number = told.readline().strip()
        assert number, "Xvfb did not start"
        ready = tmp_path_factory.mktemp("openbox") / "ready"
        managing = ["openbox", "--startup", f"touch {ready}"]
        with subprocess.Popen(managing, env={**os.environ, "DISPLAY": f":{number}"}) as manager:
            deadline = time.monotonic() + 20
            while not ready.exists() and time.monotonic() < deadline:
                time.sleep(0.01)
            assert ready.exists(), "openbox did not start"
            yield f":{number}"
            manager.terminate()
        process.terminate()


class Editor(tkinter.Tk):  # type: ignore[misc]
    """The window of the program under test."""


@pytest.fixture
def editor(screen: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("DISPLAY", screen)
    root = Editor()
    root.title("letter to ann.txt")
    failures: list[object] = []
    root.report_callback_exception = lambda *failure: failures.append(failure)
    yield root
    root.destroy()
    assert failures == []


def until(root: Any, holds: Callable[[], bool]) -> None:
    """Let the program and the window manager go on until the condition holds."""
    deadline = time.monotonic() + 20
    root.update()
    while not holds():
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.01)
        root.update()


def told(analytics: Analytics, server: Any) -> list[tuple[str, str, dict[str, Any]]]:
    assert analytics.flush()
    return [(event["type"], event["name"], event.get("properties", {})) for event in server.events]


def test_a_window_is_a_screen_by_its_name_in_the_code(editor: Any, client: Make, server: Any) -> None:
    analytics = client()
    track_windows(editor, analytics)
    until(editor, editor.winfo_viewable)
    dialog, tip = tkinter.Toplevel(editor, name="preferences"), tkinter.Toplevel(editor)
    tip.overrideredirect(True)
    until(editor, lambda: dialog.winfo_viewable() and tip.winfo_viewable())
    for window in (dialog, editor):
        window.withdraw()
        until(editor, lambda window=window: not window.winfo_viewable())
        window.deiconify()
        until(editor, window.winfo_viewable)
    dialog.destroy()
    until(editor, tkinter.Toplevel(editor, name="preferences").winfo_viewable)
    names = ["Editor", "preferences", "preferences", "Editor", "preferences"]
    assert told(analytics, server) == [("screen", name, {}) for name in names]
    assert "ann" not in str(server.requests)


def test_a_window_that_comes_back_from_the_taskbar_is_not_shown_again(editor: Any, client: Make, server: Any) -> None:
    analytics = client()
    track_windows(editor, analytics)
    until(editor, editor.winfo_viewable)
    editor.iconify()
    until(editor, lambda: editor.state() == "iconic")
    editor.deiconify()
    until(editor, editor.winfo_viewable)
    assert [name for _, name, _ in told(analytics, server)] == ["Editor"]


@pytest.mark.parametrize("mode", ["strict", "balanced", "full"])
def test_the_screen_is_told_in_full_mode_only(editor: Any, client: Make, server: Any, mode: Privacy) -> None:
    analytics = client(privacy=mode)
    until(editor, editor.winfo_viewable)
    track_windows(editor, analytics)  # which is there already
    assert analytics.flush()
    (event,) = server.events
    shown = {"screen": {"width": 1300, "height": 1000}, "display": {"dpi": 120}}
    assert event.get("context") == (shown if mode == "full" else None)


def test_buttons_are_clicks_by_mouse_keyboard_and_invoke(editor: Any, client: Make, server: Any) -> None:
    analytics = client()
    pressed: list[str] = []
    track_windows(editor, analytics)
    save = tkinter.Button(editor, name="save", text="Save", command=lambda: pressed.append("save"))
    bold = ttk.Checkbutton(editor, text="Bold", command=lambda: pressed.append("bold"))
    close = ttk.Button(editor, name="close", text="Close", command=lambda: close.destroy())
    entry = tkinter.Entry(editor, name="entry")
    quiet = tkinter.Frame(editor)
    quiet.shockmouse_ignore = True
    silent = [tkinter.Button(quiet, text="Quiet")]
    silent += [tkinter.Button(editor, text="Off", state="disabled"), ttk.Button(editor, text="Off", state="disabled")]
    for widget in (save, bold, close, entry, quiet, *silent):
        widget.pack()
    until(editor, save.winfo_viewable)
    entry.insert(0, "hunter2")
    save.event_generate("<Enter>")
    save.event_generate("<Button-1>")
    save.event_generate("<ButtonRelease-1>")
    save.focus_force()
    until(editor, lambda: editor.focus_get() is save)
    save.event_generate("<space>")
    until(editor, lambda: len(pressed) == 2)  # Tk shows it pressed for a moment
    for button in (bold, *silent, close):
        button.invoke()
    saved = ("click", "save", {"element": "Button", "id": "save", "text": "Save", "window": "Editor"})
    expected = [
        ("screen", "Editor", {}),
        saved,
        saved,
        ("click", "Checkbutton", {"element": "Checkbutton", "text": "Bold", "window": "Editor"}),
        ("click", "close", {"element": "Button", "id": "close", "text": "Close", "window": "Editor"}),
    ]
    assert told(analytics, server) == expected
    assert pressed == ["save", "save", "bold"]
    assert "hunter2" not in str(server.requests)


def test_parts_that_tk_makes_itself_are_left_alone(
    editor: Any, client: Make, server: Any, caplog: pytest.LogCaptureFixture
) -> None:
    analytics = client()
    track_windows(editor, analytics)
    menu, box = tkinter.Menu(editor), ttk.Combobox(editor, values=["ann", "ben"])
    menu.add_command(label="New")
    editor.config(menu=menu)
    box.pack()
    until(editor, box.winfo_viewable)
    editor.tk.call("ttk::combobox::Post", box)
    until(editor, lambda: bool(editor.tk.call("winfo", "ismapped", f"{box}.popdown")))
    assert [name for _, name, _ in told(analytics, server)] == ["Editor"]
    assert caplog.messages == []


def test_the_program_of_the_documentation_tells_of_its_window(screen: str, program: Any, server: Any) -> None:
    page = (Path(__file__).parents[2] / "docs" / "programs.md").read_text("utf-8")
    (shown,) = re.findall(r"^```python notes.py\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    text = shown.replace("wk_…", "wk_shop_0123456789").replace("https://stats.example.com", server.endpoint)
    start = f"import os\nos.environ['DISPLAY'] = '{screen}'\n"
    ended = program.run(f"{start}{text}\nsave.wait_visibility()\nsave.invoke()\nassert analytics.flush(20)\n")
    assert ended.code == 0, ended.errors
    assert [(event["type"], event["name"]) for event in server.events] == [("screen", "Notes"), ("click", "save")]
