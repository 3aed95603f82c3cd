"""Measures animoto workers on the local target with a picture server beside them, and more in virtual time."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from benchmarks.harness.bench_fleet import BenchFleet, Rate, bench_fleet
from benchmarks.harness.scale_fleet import LEAST_TASKS, Cell, run_cell
from benchmarks.harness.table import Table
from benchmarks.render.pictures import make_pictures

JOBS: Final = 160
PICTURES: Final = 12
"""Pictures of each job; the server has three times as many, so that neighbouring jobs use different ones."""
SIZE: Final = (1280, 720)
OPTIONS: Final = ("--size", "640x360", "--transition", "crossfade")
CLASSIC: Final = 60
"""Pictures of the classic job."""
CLASSIC_SIZE: Final = (1920, 1080)
WORKERS: Final = (1, 2, 4)
SIMULATED: Final = (1, 16, 64, 256, 1024)
LEAST_JOBS: Final = 8


def measure(share: float) -> list[Table]:
    """Measure the classic job, small jobs with each number of workers, and the pipeline with such jobs simulated."""
    jobs = max(LEAST_JOBS, round(JOBS * share))
    real = Table(
        "Slideshows on the local target",
        ("workers", "seconds", "jobs/s", "÷ one worker"),
        f"{jobs} jobs of {PICTURES} pictures of 1280x720 from a server on loopback, as videos of 640x360 with "
        "crossfades, pushed before the workers start, from the start of the first task to the end of the last. "
        "Emulator, server and all workers share the cores, so more workers than cores only fill gaps.",
    )
    with bench_fleet(CLOUDKON_ALLOW_PRIVATE_LINKS="yes") as fleet:
        classic = _classic(fleet, max(2, round(CLASSIC * share)))
        with _picture_server(fleet.directory / "small", 3 * PICTURES, SIZE) as links:
            fleet.command("client", "animoto", jobs, "--pictures", PICTURES, "--from", links, "--", *OPTIONS)
            rates = [_rate(fleet, workers) for workers in WORKERS]
    for workers, rate in zip(WORKERS, rates, strict=True):
        times = rate.tasks_per_second / rates[0].tasks_per_second
        real.rows.append((str(workers), f"{rate.seconds:.1f}", f"{rate.tasks_per_second:.2f}", f"{times:.2f}"))
        real.figures.append({"workers": workers, "jobs": jobs, "seconds": round(rate.seconds, 2)})
    return [classic, real, _simulated(round(1000 * rates[0].seconds / jobs))]


def _classic(fleet: BenchFleet, pictures: int) -> Table:
    """Measure one job of large pictures, with cuts and with crossfades."""
    width, height = CLASSIC_SIZE
    table = Table(
        "The classic slideshow on the local target",
        ("pictures", "transition", "seconds"),
        f"One job with pictures of {width}x{height} from a server on loopback, one second each, on one worker: from "
        "the task's start to its end, including fetching, checking and storing.",
    )
    with _picture_server(fleet.directory / "classic", pictures, CLASSIC_SIZE) as links:
        for transition in ("cut", "crossfade"):
            options = ("--pictures", pictures, "--from", links, "--", "--transition", transition)
            fleet.command("client", "animoto", 1, *options)
            seconds = _rate(fleet, 1).seconds
            table.rows.append((str(pictures), transition, f"{seconds:.1f}"))
            table.figures.append({"pictures": pictures, "transition": transition, "seconds": round(seconds, 2)})
    return table


def _rate(fleet: BenchFleet, workers: int) -> Rate:
    fleet.command("fleet", "scale", 0, "--pool", "animoto")
    run = fleet.command("client", "push", "--chunk", 1).strip()
    fleet.command("fleet", "scale", workers, "--pool", "animoto")
    return fleet.wait(run)


def _simulated(milliseconds: int) -> Table:
    """Simulate fleets in virtual time, whose workers have a core each."""
    table = Table(
        "Slideshows in virtual time",
        ("workers", "jobs/s", "efficiency"),
        f"Jobs of {milliseconds:,} ms, as measured with one worker above, one a message, on services with AWS's "
        "latencies and limits; as in the tables of scale, the workers' own CPU takes no time.",
    )
    cells = [Cell(workers, milliseconds, 1, LEAST_TASKS * milliseconds / 1000) for workers in SIMULATED]
    with get_context("spawn").Pool() as processes:
        for cell, found in zip(cells, processes.imap(run_cell, cells), strict=True):
            efficiency = found.efficiency(cell)
            rate = efficiency * cell.workers * 1000 / milliseconds
            table.rows.append((f"{cell.workers:,}", f"{rate:,.1f}", f"{efficiency:.1%}"))
            table.figures.append({"workers": cell.workers, "milliseconds": milliseconds, "efficiency": efficiency})
    return table


@contextmanager
def _picture_server(folder: Path, count: int, size: tuple[int, int]) -> Iterator[Path]:
    """Serve ``count`` pictures on loopback from a new folder; yields a file of their links."""
    folder.mkdir()
    paths = make_pictures(folder, count, *size)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_QuietHandler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            links = folder / "links.txt"
            address = f"http://127.0.0.1:{server.server_port}"
            links.write_text("".join(f"{address}/{path.name}\n" for path in paths), encoding="ascii")
            yield links
        finally:
            server.shutdown()
            thread.join()


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder and logs nothing."""

    def log_message(self, *_arguments: object) -> None:
        """Log nothing."""
