"""The bench, on a fleet in memory and by the command line: what it measures, how it resumes, and what it writes."""

import json
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from client import Fleet
from client.bench.bench_report import cell_text, write_report
from client.bench.experiments import EXPERIMENTS, Cell, cells, chosen
from client.bench.findings import Finding, Findings
from client.bench.measuring import Bench, BenchEvents, Terms
from client.bench.worker_scaling import Person, last_line
from cloudkon.errors import EXIT_BAD_INPUT, EXIT_OK, InvalidInput
from cloudkon.memory import memory_services
from cloudkon.settings import Settings
from images.worker.testing import worker
from tests.unit.client.commands import Client

FACTS = {"target": "local", "fleet": "cloudkon", "share": 0.01, "chunk": 2, "slots": 1}
TERMS = Terms(share=0.01, chunk=2, slots=1)
SVG = "{http://www.w3.org/2000/svg}"


class RecordingScaler:
    """Records each ``scale``; the worker in memory always runs. Some calls, by number, raise ``KeyboardInterrupt``."""

    def __init__(self, *interruptions: int) -> None:
        self.asked: list[tuple[str, int]] = []
        self._interruptions = interruptions

    def wanted(self, _pool: str) -> int:
        return 7

    def scale(self, pool: str, workers: int) -> None:
        self.asked.append((pool, workers))
        if len(self.asked) in self._interruptions:
            raise KeyboardInterrupt


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    with Fleet.in_memory(worker({}, slots=4, cancel_poll_seconds=0.1)) as opened:
        yield opened


def make_finding(tasks: int = 100, seconds: float = 2.0, busy: float = 1.0, slots: int = 1) -> Finding:
    return Finding(tasks, 0, seconds, busy, slots, "run", "2026-11-22 22:00 UTC")


def test_bench_sets_the_workers_for_each_cell_and_restores_them(fleet: Fleet, tmp_path: Path) -> None:
    scaler, reported = RecordingScaler(), list[str]()
    findings = Findings.opened(tmp_path, FACTS)
    events = BenchEvents(on_finding=lambda cell, finding: reported.append(cell_text(cell, finding)))
    Bench(fleet, scaler, findings, TERMS, events=events).measure(cells(chosen(["throughput", "10ms"]), [1, 2], []))
    rates = [("worker", 0), ("worker", 1), ("worker", 0), ("worker", 2)]
    assert scaler.asked == [*rates, *rates, ("worker", 7)]
    assert {key: one.tasks for key, one in findings.measured.items()} == {
        "throughput/1": 100,
        "throughput/2": 100,
        "10ms/1": 10,
        "10ms/2": 20,
    }
    assert findings.measured["10ms/2"].busy == pytest.approx(0.2)
    assert [line.split(":")[0] for line in reported] == [
        "throughput, 1 worker",
        "throughput, 2 workers",
        "10ms, 1 worker",
        "10ms, 2 workers",
    ]
    assert all(run.run.chunk_size == 2 for run in fleet.runs())


def test_measured_cells_are_not_measured_again(fleet: Fleet, tmp_path: Path) -> None:
    wanted = cells(chosen(["throughput"]), [1], [])
    Bench(fleet, RecordingScaler(), Findings.opened(tmp_path, FACTS), TERMS).measure(wanted)
    scaler = RecordingScaler()
    Bench(fleet, scaler, Findings.opened(tmp_path, FACTS), TERMS).measure(wanted)
    assert scaler.asked == []
    assert len(fleet.runs()) == 1


def test_interrupted_bench_clears_its_run_and_continues(fleet: Fleet, tmp_path: Path) -> None:
    wanted = cells(chosen(["10ms"]), [1], [])
    scaler = RecordingScaler(2)
    with pytest.raises(KeyboardInterrupt):
        Bench(fleet, scaler, Findings.opened(tmp_path, FACTS), TERMS).measure(wanted)
    assert scaler.asked[-1] == ("worker", 7), "the number of workers is restored"
    (broken,) = fleet.runs()
    assert broken.run.cancelled
    findings = Findings.opened(tmp_path, FACTS)
    assert (findings.going, findings.measured) == (broken.run.id, {})
    scaler = RecordingScaler()
    Bench(fleet, scaler, findings, TERMS).measure(wanted)
    assert scaler.asked[0] == ("worker", 1), "a worker has to receive the cancelled run's messages"
    assert (findings.going, list(findings.measured)) == ("", ["10ms/1"])
    assert findings.measured["10ms/1"].run != broken.run.id


def test_fleet_with_other_work_is_not_measured(tmp_path: Path) -> None:
    with Fleet(Settings(state_dir=tmp_path), services=memory_services()) as idle:
        idle.submit(["sleep 1", "sleep 2"])
        with pytest.raises(InvalidInput, match="its queue holds 2 messages"):
            Bench(idle, RecordingScaler(), Findings.opened(tmp_path, FACTS), TERMS).measure([Cell(EXPERIMENTS[0], 1)])


def test_findings_of_other_terms_are_refused(tmp_path: Path) -> None:
    Findings.opened(tmp_path, FACTS).keep(Cell(EXPERIMENTS[0], 1), make_finding())
    with pytest.raises(InvalidInput, match=r"it was measured with share 0.01, not 0.5"):
        Findings.opened(tmp_path, FACTS | {"share": 0.5})
    (tmp_path / "findings.json").write_text('{"measured": []}')
    with pytest.raises(InvalidInput, match="not a file of a bench"):
        Findings.opened(tmp_path, FACTS)


def test_report_marks_the_figures_of_others(tmp_path: Path) -> None:
    findings = Findings.opened(tmp_path, FACTS)
    for number, one in enumerate(EXPERIMENTS):
        for width in (1, 4):
            findings.measured[f"{one.name}/{width}"] = make_finding(slots=width, busy=width + number / 100)
    text = write_report(findings).read_text()
    assert text.count("\n## ") == len(EXPERIMENTS)
    assert (
        "Figures called theirs are those of a clone of CloudKon, 2014, by its own report. They were measured elsewhere"
        in text
    )
    assert "| 4 | 100 | 0 | 2.00 | 50.0 | 126.8 |" in text
    assert "| 1 | 100 | 0 | 2.00 | 50.5% | 24% |" in text
    assert text.count("theirs |") == 1, "only where a figure was published, and never for one process"
    for plot in ("throughput", "efficiency", "throughput-local", "efficiency-local", "slideshows"):
        assert f"]({plot}.svg)" in text
        drawn = ET.fromstring((tmp_path / f"{plot}.svg").read_text())
        lines = drawn.findall(f"{SVG}polyline")
        dashed = [line for line in lines if line.get("stroke-dasharray")]
        assert len(dashed) == (plot in ("throughput", "efficiency"))
        heights = [float(pair.split(",")[1]) for line in lines for pair in (line.get("points") or "").split()]
        assert all(0 < height < 380 for height in heights)


def test_local_experiment_needs_no_fleet(
    client: Client, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    command = ("bench", "--only", "local-throughput", "--slots", "2", "--share", "0.01")
    assert client(*command, "--json", fleet=None) == EXIT_OK
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "bench/findings.json").read_text())
    assert printed["measured"]["local-throughput/2"]["tasks"] == 100
    assert client(*command, fleet=None) == EXIT_OK
    written = capsys.readouterr()
    assert written.out == "bench/report.md\n"
    assert "1 of 1 cells were measured before" in written.err


def test_dry_run_prints_time_and_cost_and_measures_nothing(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    assert client("bench", "--dry-run", "--json", "--workers", "1,4", "--chunk", "10", "--only", "1s") == EXIT_OK
    plan = json.loads(capsys.readouterr().out)
    assert [(one["width"], one["tasks"], one["messages"], one["seconds"]) for one in plan["cells"]] == [
        (1, 100, 10, 100.0),
        (4, 400, 40, 100.0),
    ]
    assert (plan["seconds"], plan["dollars"] > 0) == (200.0, True)
    assert client("bench", "--dry-run") == EXIT_OK
    written = capsys.readouterr()
    assert "nothing was measured" in written.out
    assert "slideshows are left out" in written.err
    assert not Path("bench").exists()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--only", "nothing"), "unknown. Known: "),
        (("--only", "animoto"), "it needs pictures"),
        (("--workers", "0"), "is not a list of numbers"),
        (("--share", "0"), "0.0 is not in the range"),
        (("--ask",), "stdin is not a terminal"),
        (("--only", "animoto", "--pictures", "nowhere"), "not a link, a file or a folder"),
    ],
)
def test_bad_options_are_refused_in_one_line(
    client: Client, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], reason: str
) -> None:
    assert client("bench", *options) == EXIT_BAD_INPUT
    assert reason in capsys.readouterr().err


def test_person_is_asked_to_set_the_workers() -> None:
    asked: list[str] = []
    person = Person(asked.append)
    person.scale("animoto", 4)
    assert (person.wanted("animoto"), asked) == (
        None,
        ["Set the number of workers of pool animoto to 4, then press Enter"],
    )


def test_failed_fleet_command_is_reported_by_its_last_line() -> None:
    assert (
        last_line("starting\nerror: fleet 'x': no local fleet is up here\n") == "fleet 'x': no local fleet is up here"
    )
    assert last_line("") == "it failed without an error message"
