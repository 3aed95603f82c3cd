"""Compares our renderer with the usual ways to use ffmpeg, on the same pictures in one run."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import click

from benchmarks.harness.host import load_average
from benchmarks.harness.table import Budget, Table
from benchmarks.render.approaches import FEW, FPS, NAIVE, VERYFAST, Approach, approaches, music_beside
from benchmarks.render.cost import Cost, cost_of
from benchmarks.render.pictures import make_music, make_pictures
from benchmarks.render.similarity import Similarity, similarity

_MEBIBYTE = 1024**2
STANDARD = "cloudkon --quality standard"
_CROSSFADE = "cloudkon --transition crossfade"
PICTURES = 60
SIZE = "1920x1080"


class Finding(NamedTuple):
    """What one way used and made of all pictures; without a video, size is 0 and similarity ``None``."""

    approach: Approach
    cost: Cost
    size: float
    similarity: Similarity | None


def measure(share: float) -> list[Table]:
    """Run the classic job with a share of its pictures."""
    return compare(max(2, round(PICTURES * share)), SIZE)


def compare(count: int, size: str) -> list[Table]:
    """Run every way on ``count`` generated pictures of ``size`` (WIDTHxHEIGHT)."""
    with tempfile.TemporaryDirectory(prefix="cloudkon-render-") as scratch:
        pictures, video = Path(scratch) / "pictures", Path(scratch) / "video.mp4"
        pictures.mkdir()
        width, height = (int(side) for side in size.split("x"))
        make_pictures(pictures, count, width, height)
        make_music(music_beside(pictures))
        findings = [_find(one, pictures, video, count) for one in approaches(pictures, count, size, video)]
    return [_table(findings, count, size)]


def _find(approach: Approach, pictures: Path, video: Path, count: int) -> Finding:
    click.echo(approach.name, err=True)
    cost = cost_of(approach.command)
    scale = count / approach.pictures if approach.pictures else 1
    scaled = cost._replace(cpu=cost.cpu * scale, wall=cost.wall * scale)
    if not approach.makes_video:
        return Finding(approach, scaled, 0, None)
    found = similarity(video, pictures) if approach.shows_pictures else None
    return Finding(approach, scaled, video.stat().st_size * scale, found)


def _table(findings: list[Finding], count: int, size: str) -> Table:
    by_name = {one.approach.name: one for one in findings}
    ours = by_name[STANDARD].cost.cpu
    table = Table(
        title=f"A slideshow of {count} pictures of {size}, one second each at {FPS} frames a second",
        heads=("way", "CPU s", "of ours", "wall s", "peak MiB", "MB", "SSIM", "VMAF"),
        note=(
            f"Load average {load_average():.1f}. CPU time and memory include all processes, ours with Python and "
            "libvips; shared memory and program text count for each process. Rows with * rendered "
            f"{min(FEW, count)} pictures, and their CPU time, duration and bytes are scaled to all pictures. SSIM and "
            "VMAF are those of each picture's middle frame. The others use a constant quality (crf) of 18."
        ),
        budgets=_budgets(by_name),
    )
    for approach, cost, made, found in findings:
        megabytes = f"{made / 1e6:.1f}" if approach.makes_video else ""
        alike = (f"{found.ssim:.4f}", f"{found.vmaf:.1f}") if found else ("", "")
        figures = f"{cost.cpu:.2f}", f"{cost.cpu / ours:.2f}", f"{cost.wall:.1f}", f"{cost.peak / _MEBIBYTE:.0f}"
        star = " *" if 0 < approach.pictures < count else ""
        table.rows.append((approach.name + star, *figures, megabytes, *alike))
        table.figures.append(
            {
                "way": approach.name,
                "cpu": round(cost.cpu, 3),
                "wall": round(cost.wall, 2),
                "peak": cost.peak,
                "bytes": round(made),
                "ssim": found.ssim if found else None,
                "vmaf": found.vmaf if found else None,
            }
        )
    return table


def _budgets(findings: Mapping[str, Finding]) -> list[Budget]:
    floor, naive = findings["floor: decode, code stills"].cost.cpu, findings[NAIVE]
    ours = {"cuts": findings[STANDARD], "crossfades": findings[_CROSSFADE]}
    peak = max(one.cost.peak for one in ours.values()) / _MEBIBYTE
    most = max(one.cost.cpu for one in ours.values())
    return [
        *(
            Budget(
                f"CPU of {name}, of that of decoding and coding the stills",
                1.3,
                one.cost.cpu / floor,
                ".2f",
                least=False,
            )
            for name, one in ours.items()
        ),
        Budget(
            "CPU besides decoding and coding the stills, % of all", 15, 100 * (1 - floor / most), ".1f", least=False
        ),
        Budget(
            f"CPU of {NAIVE}, of ours",
            15.0,
            naive.cost.cpu / ours["cuts"].cost.cpu,
            ".1f",
            remark="some 45 % of ours is x264, 20 % decoding, 12 % colour conversion, 8 % Python's start",
        ),
        *(
            Budget(
                f"SSIM of {name}, and of {VERYFAST}",
                _ssim(findings[VERYFAST]),
                _ssim(one),
                ".4f",
                remark="half a step of x264's crf changes it by 0.0003, and costs bytes",
            )
            for name, one in ours.items()
        ),
        Budget(
            "peak memory, MiB",
            150.0,
            peak,
            ".0f",
            least=False,
            remark="48 of them are program text, and 60 are what Python and ffmpeg take before the first picture",
        ),
    ]


def _ssim(finding: Finding) -> float:
    return finding.similarity.ssim if finding.similarity else 0.0
