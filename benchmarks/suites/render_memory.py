"""Measures the memory of a slideshow of a thousand pictures, which must not grow with their number."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from benchmarks.harness.host import load_average
from benchmarks.harness.processes import python
from benchmarks.harness.table import Budget, Table
from benchmarks.render.cost import cost_of
from benchmarks.render.pictures import make_pictures

PICTURES = 1000
FEW = 50
"""Pictures of the slideshow to compare with."""
MOST_MEBIBYTES = 400.0
MOST_GROWTH = 60.0
"""MiB between few pictures and many: allocator noise, and the list of frames, each of which takes some bytes."""
SIZE = "640x360"
_MEBIBYTE = 1024**2


def measure(share: float) -> list[Table]:
    """Render few and many distinct small pictures from loopback, with crossfades."""
    many = max(2 * FEW, round(PICTURES * share))
    table = Table(
        title=f"The memory of a slideshow of {many:,} pictures",
        heads=("pictures", "CPU s", "wall s", "peak MiB", "MB"),
        note=(
            f"Distinct JPEGs of {SIZE} from a web server on loopback, a second each with crossfades, as the worker "
            f"fetches, renders, verifies and stores them. Memory includes all processes and ffmpeg; shared memory "
            f"counts for each process. Load average {load_average():.1f}."
        ),
    )
    with tempfile.TemporaryDirectory(prefix="cloudkon-render-") as scratch:
        place = Path(scratch)
        make_pictures(place, many, *(int(side) for side in SIZE.split("x")))
        peaks = [_render(place, count, table) for count in (FEW, many)]
    table.budgets.append(Budget(f"memory of {many:,} pictures, MiB", MOST_MEBIBYTES, peaks[1], ".0f", least=False))
    growth = peaks[1] - peaks[0]
    table.budgets.append(
        Budget(f"growth from {FEW} pictures to {many:,}, MiB", MOST_GROWTH, growth, ".0f", least=False)
    )
    return [table]


def _render(place: Path, count: int, table: Table) -> float:
    """Add a row and return the peak in MiB."""
    instruction, video = place / "instruction.txt", place / "video.mp4"
    with _served(place) as address:
        links = " ".join(f"{address}/{path.name}" for path in sorted(place.glob("*.jpg"))[:count])
        instruction.write_text(f"animoto --size {SIZE} --transition crossfade {links}\n")
        cost = cost_of([*python("benchmarks.render.worker_slideshow"), instruction, video])
    peak = cost.peak / _MEBIBYTE
    made = video.stat().st_size / 1e6
    table.rows.append((f"{count:,}", f"{cost.cpu:.1f}", f"{cost.wall:.1f}", f"{peak:.0f}", f"{made:.1f}"))
    return peak


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    """Serve a folder's files on loopback; yields the address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_QuietHandler, directory=str(folder))) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        """Log nothing: a thousand lines would hide the figures."""
