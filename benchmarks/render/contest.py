"""Contest: our renderer and the usual ways with ffmpeg, on the same pictures in one run."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import click

from benchmarks.harness.machine import load
from benchmarks.harness.table import Budget, Table
from benchmarks.render.contestants import FEW, FPS, NAIVE, VERYFAST, Contestant, contestants, music_beside
from benchmarks.render.cost import Cost, cost_of
from benchmarks.render.likeness import Likeness, likeness
from benchmarks.render.pictures import make_music, make_pictures

_MEBIBYTE = 1024**2
STANDARD = "cloudkon --quality standard"
_CROSSFADE = "cloudkon --transition crossfade"
PICTURES = 60
SIZE = "1920x1080"


class Finding(NamedTuple):
    """What a contestant took and made, of all pictures; bytes and likeness are nothing where it made no video."""

    contestant: Contestant
    cost: Cost
    size: float
    likeness: Likeness | None


def measure(share: float) -> list[Table]:
    """The classic job, with so large a share of its pictures."""
    return contest(max(2, round(PICTURES * share)), SIZE)


def contest(count: int, size: str) -> list[Table]:
    """Run every contestant on ``count`` made pictures of ``size`` (WIDTHxHEIGHT)."""
    with tempfile.TemporaryDirectory(prefix="cloudkon-render-") as scratch:
        pictures, video = Path(scratch) / "pictures", Path(scratch) / "video.mp4"
        pictures.mkdir()
        width, height = (int(side) for side in size.split("x"))
        make_pictures(pictures, count, width, height)
        make_music(music_beside(pictures))
        findings = [_find(one, pictures, video, count) for one in contestants(pictures, count, size, video)]
    return [_table(findings, count, size)]


def _find(contestant: Contestant, pictures: Path, video: Path, count: int) -> Finding:
    click.echo(contestant.name, err=True)
    cost = cost_of(contestant.command)
    scale = count / contestant.pictures if contestant.pictures else 1
    scaled = cost._replace(cpu=cost.cpu * scale, wall=cost.wall * scale)
    if not contestant.makes_video:
        return Finding(contestant, scaled, 0, None)
    found = likeness(video, pictures) if contestant.shows_pictures else None
    return Finding(contestant, scaled, video.stat().st_size * scale, found)


def _table(findings: list[Finding], count: int, size: str) -> Table:
    by_name = {one.contestant.name: one for one in findings}
    ours = by_name[STANDARD].cost.cpu
    table = Table(
        title=f"A slideshow of {count} pictures of {size}, one second each at {FPS} frames a second",
        heads=("way", "CPU s", "of ours", "wall s", "peak MiB", "MB", "SSIM", "VMAF"),
        note=(
            f"Load average {load():.1f}. CPU and memory are of all processes, ours with Python and libvips; what they "
            f"share, and their programs' text, counts for each. Rows with * made {min(FEW, count)} pictures, and their "
            "CPU, time and bytes are scaled to all. SSIM and VMAF are those of each picture's middle frame. The "
            "others' constant quality is 18."
        ),
        budgets=_budgets(by_name),
    )
    for contestant, cost, made, found in findings:
        megabytes = f"{made / 1e6:.1f}" if contestant.makes_video else ""
        alike = (f"{found.ssim:.4f}", f"{found.vmaf:.1f}") if found else ("", "")
        figures = f"{cost.cpu:.2f}", f"{cost.cpu / ours:.2f}", f"{cost.wall:.1f}", f"{cost.peak / _MEBIBYTE:.0f}"
        star = " *" if 0 < contestant.pictures < count else ""
        table.rows.append((contestant.name + star, *figures, megabytes, *alike))
        table.figures.append(
            {
                "way": contestant.name,
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
            remark="of ours some 45 % are x264's, 20 % decoding, 12 % the colours' conversion, 8 % Python's start",
        ),
        *(
            Budget(
                f"SSIM of {name}, and of {VERYFAST}",
                _ssim(findings[VERYFAST]),
                _ssim(one),
                ".4f",
                remark="half a step of x264's crf is worth 0.0003, and costs bytes",
            )
            for name, one in ours.items()
        ),
        Budget(
            "peak memory, MiB",
            150.0,
            peak,
            ".0f",
            least=False,
            remark="48 of them are programs' text, and 60 what Python and ffmpeg take before the first picture",
        ),
    ]


def _ssim(finding: Finding) -> float:
    return finding.likeness.ssim if finding.likeness else 0.0
