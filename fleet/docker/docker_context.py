"""Checks the Docker context that the user chose: where it is unknown, the SDK would use the default engine instead."""

import json
import os
from pathlib import Path
from typing import Final

from docker.context import ContextAPI
from docker.utils.config import find_config_file

from cloudkon.errors import InvalidInput

DEFAULT: Final = "default"
REMEDY: Final = "Correct DOCKER_CONTEXT or run: docker context use default; or name an engine's address in DOCKER_HOST"


def check_context() -> None:
    """Raise ``InvalidInput`` if the chosen context is unknown, unreadable, or has no engine."""
    if os.environ.get("DOCKER_HOST"):  # comes before contexts, as for docker itself
        return
    name = os.environ.get("DOCKER_CONTEXT") or _configured_context()
    if name == DEFAULT:
        return
    try:
        context = ContextAPI.get_context(name)
        address = context.Host if context else ""
    except Exception as error:
        raise InvalidInput(f"Docker context {name!r}", f"can't be read: {error}", REMEDY) from error
    if not address:
        reason = "has no engine's address" if context else "there is no such context"
        raise InvalidInput(f"Docker context {name!r}", reason, REMEDY)


def _configured_context() -> str:
    """Return the current context of Docker's configuration file."""
    found = find_config_file()
    if not found:
        return DEFAULT
    path = Path(str(found))
    try:
        return str(json.loads(path.read_text(encoding="utf-8")).get("currentContext") or DEFAULT)
    except (OSError, ValueError, AttributeError) as error:
        remedy = "Repair it, or name an engine's address in DOCKER_HOST"
        raise InvalidInput(f"Docker's configuration {path}", f"can't be read: {error}", remedy) from error
