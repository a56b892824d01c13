"""How long things take and what goes wrong, as properties of events. Handed what records them: knows no client."""

import contextlib
import functools
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import PurePath
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

Properties = Mapping[str, Any]
Record = Callable[[str, Properties | None, dict[str, Any]], None]

_PACKAGE = str(PurePath(__file__).parent)
MAX_FRAMES = 50
MAX_MESSAGE_CHARACTERS = 1000


class Measure:
    """Records the milliseconds between entering and leaving: a context manager, also for `async with`, or a decorator.

    One object measures one run at a time; as a decorator it makes one for each call.
    """

    def __init__(self, record: Record, name: str, properties: Properties | None) -> None:
        self._record = record
        self._name = name
        self._properties = properties
        self._started = 0.0

    def __enter__(self) -> Self:
        self._started = time.perf_counter()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        duration_ms = round((time.perf_counter() - self._started) * 1000, 3)
        failed = {} if kind is None else {"exception": kind.__name__}
        self._record(self._name, self._properties, {"duration_ms": duration_ms, **failed})

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.__exit__(kind, exc, tb)

    def __call__(self, function: Callable[P, T]) -> Callable[P, T]:
        """Return the function, measured; a coroutine function is measured until its result is there.

        A generator is measured from its first step to its end, with what is done between its steps.
        """
        import inspect

        if inspect.isasyncgenfunction(function):

            @functools.wraps(function)
            async def measured_stream(*args: P.args, **kwargs: P.kwargs) -> Any:
                with self._again():
                    async with contextlib.aclosing(function(*args, **kwargs)) as steps:
                        async for step in steps:
                            yield step

            return measured_stream

        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def measured_steps(*args: P.args, **kwargs: P.kwargs) -> Any:
                with self._again():
                    return (yield from function(*args, **kwargs))

            return measured_steps

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def measured(*args: P.args, **kwargs: P.kwargs) -> Any:
                with self._again():
                    return await function(*args, **kwargs)

            return measured  # type: ignore[return-value]  # T is the coroutine

        @functools.wraps(function)
        def measured_call(*args: P.args, **kwargs: P.kwargs) -> T:
            with self._again():
                return function(*args, **kwargs)

        return measured_call

    def _again(self) -> "Measure":
        return Measure(self._record, self._name, self._properties)


def describe_exception(exc: BaseException) -> dict[str, Any]:
    """Return type, message and stack of an exception, innermost frame last.

    A frame is `folder/file.py:line in function`: a whole path would tell the name of the person whose home it is in.
    Ours, through which the program was called, are left out.
    """
    frames = [f for f in traceback.extract_tb(exc.__traceback__) if not f.filename.startswith(_PACKAGE)][-MAX_FRAMES:]
    return {
        "exception": type(exc).__name__,
        "message": _message(exc)[:MAX_MESSAGE_CHARACTERS],
        "stack": [f"{'/'.join(PurePath(f.filename).parts[-2:])}:{f.lineno} in {f.name}" for f in frames],
    }


def _message(exc: BaseException) -> str:
    """Return the exception's text, empty if it has none to give; half a surrogate pair, as in file names, is a `?`."""
    try:
        return str(exc).encode(errors="replace").decode()
    except Exception:  # a program's own exception may raise anything when it is asked
        return ""
