"""Finds the handler that runs an instruction, by the instruction's first word.

A handler is a function ``(arguments, context) -> output``. Synchronous handlers run in a slot process, which can be
killed; asynchronous ones (trio) run in the worker's event loop and must not block it. The output is a string or
``None``. An exception fails the attempt; ``cloudkon.handler.PermanentFailure`` fails the task without another attempt.
"""

from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import entry_points

from cloudkon.errors import InvalidInstruction, InvalidSetting
from cloudkon.handler import Context
from cloudkon.settings import Settings

from .exec_handler import run_command
from .sleep_handler import sleep

Handler = Callable[[str, Context], str | None] | Callable[[str, Context], Awaitable[str | None]]

GROUP = "cloudkon.handlers"
"""The entry-point group for the handlers of users' packages: ``resize = "my_package.resize:handle"``."""


async def _exec_is_off(arguments: str, context: Context) -> None:  # noqa: ARG001  (a handler)
    raise InvalidInstruction("exec", "this pool doesn't run command lines", "Its workers need CLOUDKON_ALLOW_EXEC=yes")


def find_handlers(settings: Settings) -> dict[str, Handler]:
    """Return the built-in handlers and those of installed packages; a package can't replace a built-in one."""
    loaded: dict[str, Handler] = {}
    for point in entry_points(group=GROUP):
        try:
            loaded[point.name] = point.load()
        except Exception as error:
            raise InvalidSetting(f"handler {point.name!r} ({point.value})", f"can't be loaded: {error}") from error
    return {**loaded, **built_in(settings)}


def built_in(settings: Settings) -> Mapping[str, Handler]:
    """Return the handlers of the worker image."""
    return {"sleep": sleep, "exec": run_command if settings.allow_exec else _exec_is_off}
