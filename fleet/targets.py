"""Creates the target that the settings name."""

from cloudkon.errors import InvalidInput
from cloudkon.settings import TARGETS, Settings

from .target import Target


def target_for(settings: Settings) -> Target:
    """Return the target that the settings name. Raises ``InvalidInput`` for an unknown one."""
    if settings.target == "local":
        from .local.target import LocalTarget  # noqa: PLC0415  (only the target in use is loaded)

        return LocalTarget(settings)
    if settings.target == "docker":
        from .docker.target import DockerTarget  # noqa: PLC0415  (only the target in use is loaded)

        return DockerTarget(settings)
    if settings.target == "aws":
        from .aws.target import AwsTarget  # noqa: PLC0415  (only the target in use is loaded)

        return AwsTarget(settings)
    raise InvalidInput(f"target {settings.target!r}", "unknown target", f"Targets: {', '.join(TARGETS)}")
