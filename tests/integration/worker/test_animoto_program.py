"""``python -m images.animoto`` on the emulator: it leaves nothing behind, however it ends."""

import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from cloudkon.model import ANIMOTO
from cloudkon.settings import Settings
from tests.integration.worker.programs import Program
from tests.support.emulator_fleet import EmulatedFleet
from tests.support.films import processes_at
from tests.support.patience import until
from tests.support.picture_corpus import encoded
from tests.support.web import Request, Web


class Workers:
    """Starts animoto workers whose scratch directories are in one folder."""

    def __init__(self, directory: Path, settings: Settings) -> None:
        self.temporary = directory / "tmp"
        self.temporary.mkdir()
        self.started: list[Program] = []
        self._directory = directory
        self._environment = settings.to_environment() | {"TMPDIR": str(self.temporary)}

    def start(self) -> Program:
        log = self._directory / f"animoto-{len(self.started)}.log"
        program = Program(log, self._environment, "--until-empty", module="images.animoto")
        self.started.append(program)
        return program

    def scratch_of(self, program: Program) -> list[Path]:
        """Return the scratch directory of a worker, as a list of one or none."""
        return list(self.temporary.glob(f"cloudkon-*-{program.process.pid}"))

    def wait_for_ffmpeg(self, program: Program) -> None:
        until(lambda: any(processes_at(one) for one in self.scratch_of(program)), "ffmpeg")


@pytest.fixture
def workers(tmp_path: Path, settings: Settings) -> Iterator[Workers]:
    started = Workers(tmp_path, replace(settings, allow_private_links=True, stop_seconds=1))
    yield started
    for program in started.started:
        program.process.kill()
        program.process.wait()


@pytest.mark.long
def test_worker_leaves_no_process_and_no_file_whether_killed_stopped_or_done(
    fleet: EmulatedFleet, workers: Workers
) -> None:
    picture = encoded(Image.new("RGB", (64, 36), (200, 30, 40)))
    with Web() as web:
        held = True

        def last(request: Request) -> None:
            if held:
                request.be_silent()
            else:
                request.reply(200, picture)

        web.answers["/last.jpg"] = last
        links = [web.add(f"/{number}.jpg", picture) for number in range(4)]
        run = fleet.push(f"animoto --size 64x36 {' '.join(links)} {web.link('/last.jpg')}", pool=ANIMOTO.name)

        killed = workers.start()
        workers.wait_for_ffmpeg(killed)
        killed.signal(signal.SIGKILL)
        killed.wait()
        until(lambda: not processes_at(workers.temporary), "the end of the killed worker's processes")

        stopped = workers.start()
        workers.wait_for_ffmpeg(stopped)
        assert workers.scratch_of(killed) == [], "the next worker did not remove it"
        stopped.signal(signal.SIGTERM)
        assert stopped.wait() == 0
        assert list(workers.temporary.iterdir()) == []

        held = False
        assert workers.start().wait() == 0
        assert list(workers.temporary.iterdir()) == []
        assert processes_at(workers.temporary) == []
        web.stopping.set()
    (result,) = fleet.results(run).values()
    assert (result.state.name, result.error) == ("SUCCEEDED", "")
    assert f"/videos/{run.id}/0." in result.output
