"""A recording holds no secret, and its answers go through all our readers: one of the double, and those of users.

A folder that a user recorded becomes a test by being copied into ``tests/aws/recordings``.
"""

from dataclasses import replace
from pathlib import Path

import trio.testing

from cloudkon.model import WORKER
from cloudkon.settings import Settings
from fleet.aws.target import AwsTarget
from fleet.target_options import NO_SIZING
from tests.fleet.double.account import NUMBER, Account
from tests.fleet.double.connection import DoubleClock
from tests.fleet.double.real_templates import publish
from tests.fleet.fleet_steps import IGNORE_REPORT
from tests.fleet.replay.recorded_connection import RecordedConnection
from tests.fleet.replay.recordings import misread, recorded_calls

GIVEN = Path(__file__).parents[2] / "aws" / "recordings"


async def test_recordings_of_users_are_read(autojump_clock: trio.testing.MockClock) -> None:
    given = [GIVEN / name for name in names_in(GIVEN) if name != "README.md"]
    assert {folder.name: wrong for folder in given if (wrong := await misread(folder))} == {}


async def record_a_life(account: Account, settings: Settings, folder: Path) -> None:
    """Record a fleet's life on the double into a folder."""
    chosen = replace(settings, record=str(folder))
    target = AwsTarget(chosen, RecordedConnection(chosen), DoubleClock())
    await target.up(IGNORE_REPORT, replace(NO_SIZING, tags={"owner": "Erika Mustermann"}))
    publish(account, tag="one")
    await target.deploy((WORKER,), "one", IGNORE_REPORT)
    # The last one looks at the ECS task that has stopped.
    for count in (2, 1, 2):
        await target.scale(WORKER, count, IGNORE_REPORT)
    await target.status()
    await target.down(IGNORE_REPORT, delete_data=True)


def names_in(folder: Path) -> list[str]:
    """Return the names in a folder, sorted."""
    return sorted(path.name for path in folder.iterdir())


def text_of(folder: Path) -> str:
    """Return the text of a folder's files."""
    return "".join(path.read_text() for path in folder.iterdir())


def modes(paths: list[Path]) -> set[int]:
    """Return the permissions of files."""
    return {path.stat().st_mode & 0o777 for path in paths}


async def test_recording_of_the_double_has_no_secret_and_is_read(
    account: Account, settings: Settings, tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    folder = tmp_path / "recording"
    await record_a_life(account, settings, folder)
    # The key, which would turn stand-ins back, is not in the folder that is sent.
    assert names_in(tmp_path) == ["recording", "recording.key", "state"]
    assert modes([folder]) == {0o700}
    assert modes([folder / name for name in names_in(folder)] + [tmp_path / "recording.key"]) == {0o600}
    private = [NUMBER, "Erika", "Mustermann", *account.ec2.instances]
    text = text_of(folder)
    assert [word for word in private if word in text] == []
    names = {call.name for call in recorded_calls(folder)}
    assert {"sts.GetCallerIdentity", "ecs.DescribeTasks", "cloudformation.DescribeStackEvents"} <= names
    assert await misread(folder) == []
