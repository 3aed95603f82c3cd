"""Translates the errors of the Docker engine and its SDK into the fleet's own."""

import os
from typing import Final

import requests
from docker.errors import APIError, DockerException, ImageNotFound

from cloudkon.errors import CloudKonError, InvalidInput, ServiceError
from cloudkon.programs import command

RAISED: Final = (DockerException, requests.RequestException)
"""All errors that a call through the SDK can raise."""
BUILD: Final = command("fleet build")


class NoEngine(InvalidInput):
    """No Docker engine answers."""


class EngineRefuses(NoEngine):
    """An engine answers, but this user may not use it."""


class NoImage(InvalidInput):
    """An image is not on this engine."""


class Gone(ServiceError):
    """The object of a call does not exist."""


def as_cloudkon_error(error: Exception, doing: str) -> CloudKonError:
    """Translate one of ``RAISED``. ``doing`` names the failed step, such as ``starting cloudkon.worker.1``."""
    if isinstance(error, ImageNotFound):
        return NoImage("Docker image", _explanation(error), f"Build the images with: {BUILD}")
    if isinstance(error, APIError):
        return ServiceError(f"{doing} failed: {_explanation(error)}")
    if isinstance(error, requests.Timeout):
        return ServiceError(
            f"{doing}: the Docker engine did not answer in time; the step may or may not have been done"
        )
    if isinstance(error, requests.ConnectionError):
        return engine_unreachable(error)
    return ServiceError(f"{doing} failed: {error}")


def engine_unreachable(error: Exception) -> NoEngine:
    """Explain why the engine can't be reached. The SDK wraps the socket's own error several times."""
    cause: BaseException | None = error
    why = str(error)
    while cause is not None:
        if isinstance(cause, PermissionError) or "Permission denied" in str(cause):
            return EngineRefuses(
                "Docker engine",
                "this user may not use its socket",
                'Join the group docker and log in again (sudo usermod -aG docker "$USER"), or set DOCKER_HOST',
            )
        if isinstance(cause, OSError) and cause.strerror:
            why = cause.strerror
        cause = cause.__cause__ or cause.__context__
    if address := os.environ.get("DOCKER_HOST", ""):
        return NoEngine("Docker engine", f"none answers at {address} ({why})", "Start it there, or correct DOCKER_HOST")
    return NoEngine(
        "Docker engine",
        "none answers",
        "Start Docker, or name its address in DOCKER_HOST; without Docker, unset CLOUDKON_TARGET for the local target",
    )


def _explanation(error: APIError) -> str:
    return str(error.explanation or error).strip().rstrip(".")
