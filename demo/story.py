"""Runs the demo's steps, one after the other."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.table import Table

from demo.programs import Programs
from demo.report import Outcome, outcome_table, video_table

SLEEP_MILLISECONDS: Final = 10
SLEEPS_A_CHUNK: Final = 10
"""A message should contain 100 to 500 ms of work; with shorter ones, the queue limits the rate."""
ANIMOTO_WORKERS: Final = 1
"""A slideshow keeps a core or two busy by itself."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much work the demo does, and where its files are."""

    workers: int
    sleeps: int
    slideshows: int
    pictures: int
    videos: Path
    workloads: Path
    """The folder for its workload files."""


def perform(plan: Plan, programs: Programs, pictures: Path) -> list[Table]:
    """Start a fleet, let it do the work, download the videos, and return tables of the results.

    ``pictures`` is the folder of the slideshows' pictures. Raises ``CommandFailed``.
    """
    programs.announce("start a queue, a ledger and a store on this machine")
    programs.run("fleet", "up")
    programs.announce("start workers: some for short tasks, one for slideshows")
    programs.run("fleet", "scale", plan.workers)
    programs.run("fleet", "scale", ANIMOTO_WORKERS, "--pool", "animoto")
    programs.announce(f"push {plan.sleeps:,} short tasks, and {plan.slideshows} slideshows with their pictures")
    sleeps, slideshows = plan.workloads / "sleeps.txt", plan.workloads / "slideshows.txt"
    programs.run("client", "generate", plan.sleeps, "sleep", SLEEP_MILLISECONDS, "-o", sleeps)
    count = ("--pictures", plan.pictures)
    programs.run("client", "animoto", plan.slideshows, *count, "--from", pictures, "-o", slideshows)
    sleep_run = programs.run("client", "push", sleeps, "--chunk", SLEEPS_A_CHUNK).strip()
    slideshow_run = programs.run("client", "push", slideshows).strip()
    programs.announce("wait for both runs, then download the videos")
    sleep_counts, slideshow_counts = _wait(programs, sleep_run), _wait(programs, slideshow_run)
    programs.run("client", "pull", slideshow_run, plan.videos)

    outcomes = (
        Outcome.of(f"sleep {SLEEP_MILLISECONDS}", plan.workers, sleep_counts, SLEEP_MILLISECONDS / 1000),
        Outcome.of(f"animoto, {plan.pictures} pictures", ANIMOTO_WORKERS, slideshow_counts),
    )
    videos = [plan.videos / f"{number}.mp4" for number in range(plan.slideshows)]
    return [outcome_table(outcomes), video_table(videos)]


def _wait(programs: Programs, run: str) -> dict[str, float]:
    """Wait until a run ends; return its counts."""
    counts: dict[str, float] = json.loads(programs.run("client", "check", run, "--wait", "--json", live=True))
    return counts
