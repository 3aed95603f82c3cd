"""What is kept in the state directory survives concurrent commands, full disks and hand-made files."""

import errno
import threading
from pathlib import Path

import pytest

from cloudkon.errors import EXIT_BAD_INPUT, EXIT_FAILED, CloudKonError, InvalidInput, NoFleet
from cloudkon.settings import Settings
from fleet.files import named_faults, read_json, write_json
from fleet.local.actual_state import Member, Observed, PoolMembers
from fleet.local.desired_state import Wanted
from fleet.local.process import Process
from fleet.local.state_dir import Home

OBSERVED = Observed(
    "some",
    Process(7, "yesterday"),
    12.5,
    "http://127.0.0.1:4566",
    answered=3,
    ready=True,
    emulator=Member("emulator", pid=8, born="now", restarts=1, last_end="it was killed by signal 9"),
    pools={"worker": PoolMembers(2, 1, (Member("worker-1", pid=9, born="now"), Member("worker-2", stopping=True)))},
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "state")
    home.make()
    return home


def test_what_is_observed_reads_back_as_written(home: Home) -> None:
    assert home.observed() is None
    home.write_observed(OBSERVED)
    assert home.observed() == OBSERVED
    home.write_observed(None)
    assert home.observed() is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"fleet": "x"}', '{"fleet": "x", "supervisor": 3}', "\0\xff"])
def test_a_file_that_no_supervisor_wrote_says_nothing(home: Home, text: str) -> None:
    (home.state_dir / "observed.json").write_text(text, encoding="latin-1")
    home.wanted_path.write_text(text, encoding="latin-1")
    assert home.observed() is None
    assert home.wanted() == Wanted()
    assert home.port() == 0


def test_two_commands_at_once_lose_nothing_of_one_another(home: Home) -> None:
    def ask() -> None:
        for _ in range(50):
            home.change_wanted(lambda before: before.with_request())

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert home.wanted().request == 200


def test_scaling_one_pool_leaves_the_other_alone(home: Home) -> None:
    home.change_wanted(lambda before: before.with_count("worker", 3))
    wanted = home.change_wanted(lambda before: before.with_count("animoto", 1))
    assert wanted.counts == {"worker": 3, "animoto": 1}
    assert home.change_wanted(lambda before: before.without_workers()).counts == {}


def test_other_programs_find_the_fleet_only_while_it_has_an_endpoint(home: Home) -> None:
    settings = Settings(state_dir=home.state_dir)
    home.write_endpoint(4567, "http://127.0.0.1:4567")
    assert settings.service_endpoint() == "http://127.0.0.1:4567"
    home.write_endpoint(4567)
    assert home.port() == 4567
    with pytest.raises(NoFleet, match="python -m fleet up"):
        settings.service_endpoint()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_named_and_leaves_the_old_file_whole(
    home: Home, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    home.change_wanted(lambda before: before.with_request())

    def full(*_: object, **__: object) -> None:
        raise OSError(number, "full")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(CloudKonError, match=r"wanted\.json: .*free some space") as caught:
        home.change_wanted(lambda before: before.with_request())
    assert caught.value.exit_code == EXIT_FAILED
    assert home.wanted().request == 1


def test_too_little_space_is_said_before_anything_starts(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    home.check_space()
    assert not list(home.state_dir.glob("*probe*"))
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(CloudKonError, match="No space left on device"):
        home.check_space()


def test_a_directory_that_can_not_be_made_is_the_users_to_mend(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput, match="CLOUDKON_STATE_DIR") as caught:
        Home(tmp_path / "file").make()
    assert caught.value.exit_code == EXIT_BAD_INPUT


def test_a_failed_write_leaves_no_staged_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput), named_faults(tmp_path):
        write_json(tmp_path / "none" / "x.json", {})
    with pytest.raises(TypeError):
        write_json(tmp_path / "x.json", object())
    assert list(tmp_path.iterdir()) == []
    assert read_json(tmp_path / "x.json") == {}


def test_deleting_data_leaves_the_installation(home: Home) -> None:
    home.installation.mkdir(parents=True)
    (home.data / "state" / "sqs.json").write_text("{}")
    assert home.saved_at() > 0
    home.delete_data()
    home.delete_data()
    assert home.saved_at() == 0
    assert not home.data.exists()
    assert home.installation.exists()
