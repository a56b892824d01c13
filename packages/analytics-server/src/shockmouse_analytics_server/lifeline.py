"""How a child process says that it works, and ends: when it is told to, and with the one that started it."""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
import threading
import time

LAST_SECONDS = 1.0
PR_SET_PDEATHSIG = 1

UNUSABLE = 3  # the exit code of a process that would end the same way whenever it is started again


def end_with_parent() -> None:
    """From now on this process ends when its standard input, a pipe from its parent, does.

    On Linux the kernel ends it too, even one that is stopped or hangs.
    """
    threading.Thread(target=_watch, name="lifeline", daemon=True).start()
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _watch() -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(LAST_SECONDS)
    os._exit(1)


def stop_event() -> asyncio.Event:
    """Return an event that SIGTERM sets; Ctrl-C reaches the whole group, and the supervisor decides what it means."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    loop.add_signal_handler(signal.SIGINT, lambda: None)
    return stopping


def say_ready() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()
