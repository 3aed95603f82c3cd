"""Handlers: what runs an instruction, found by its first word.

A handler is a plain function ``(arguments, context) -> output``: synchronous ones run in a slot process of their
own, which can be killed; asynchronous ones (trio) run in the worker's loop and must not block it. An output is a
string or ``None``. Raising fails the attempt; ``cloudkon.errors.PermanentFailure`` says that another one is no use.
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
"""The entry-point group by which users' packages name theirs: ``resize = "my_package.resize:handle"``."""


async def _exec_is_off(arguments: str, context: Context) -> None:  # noqa: ARG001  (a handler)
    raise InvalidInstruction("exec", "this pool doesn't run command lines", "Its workers need CLOUDKON_ALLOW_EXEC=yes")


def find_handlers(settings: Settings) -> dict[str, Handler]:
    """The built-in handlers and those that installed packages offer; built-in names can't be taken over."""
    found: dict[str, Handler] = {}
    for point in entry_points(group=GROUP):
        try:
            found[point.name] = point.load()
        except Exception as error:
            raise InvalidSetting(f"handler {point.name!r} ({point.value})", f"it can't be loaded: {error}") from error
    return {**found, **built_in(settings)}


def built_in(settings: Settings) -> Mapping[str, Handler]:
    """The handlers of the worker image itself."""
    return {"sleep": sleep, "exec": run_command if settings.allow_exec else _exec_is_off}
