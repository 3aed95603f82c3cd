"""Story: what the demo does, one act after the other."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.table import Table

from demo.programs import Programs
from demo.report import Outcome, outcome_table, video_table

SLEEP_MILLISECONDS: Final = 10
SLEEPS_A_CHUNK: Final = 10
"""A message should hold 100 to 500 ms of work: shorter ones measure the queue."""
ANIMOTO_WORKERS: Final = 1
"""A slideshow keeps a core or two busy by itself."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much the demo does, and where its files lie."""

    workers: int
    sleeps: int
    slideshows: int
    pictures: int
    videos: Path
    workloads: Path
    """The folder for its workload files."""


def perform(plan: Plan, programs: Programs, pictures: Path) -> list[Table]:
    """Start a fleet, have it do the work, bring the videos home, and give the tables that tell how it went.

    ``pictures`` is the folder with the slideshows' pictures. Raises ``CommandFailed``.
    """
    programs.say("a queue, a ledger and a store on this machine")
    programs.run("fleet", "up")
    programs.say("workers: some for short tasks, one for slideshows")
    programs.run("fleet", "scale", plan.workers)
    programs.run("fleet", "scale", ANIMOTO_WORKERS, "--pool", "animoto")
    programs.say(f"{plan.sleeps:,} short tasks, and {plan.slideshows} slideshows, whose pictures go to the store first")
    sleeps, slideshows = plan.workloads / "sleeps.txt", plan.workloads / "slideshows.txt"
    programs.run("client", "generate", plan.sleeps, "sleep", SLEEP_MILLISECONDS, "-o", sleeps)
    count = ("--pictures", plan.pictures)
    programs.run("client", "animoto", plan.slideshows, *count, "--from", pictures, "-o", slideshows)
    sleep_run = programs.run("client", "push", sleeps, "--chunk", SLEEPS_A_CHUNK).strip()
    slideshow_run = programs.run("client", "push", slideshows).strip()
    programs.say("wait for both runs, then bring the videos home")
    slept, shown = _ended(programs, sleep_run), _ended(programs, slideshow_run)
    programs.run("client", "pull", slideshow_run, plan.videos)

    outcomes = (
        Outcome.of(f"sleep {SLEEP_MILLISECONDS}", plan.workers, slept, SLEEP_MILLISECONDS / 1000),
        Outcome.of(f"animoto, {plan.pictures} pictures", ANIMOTO_WORKERS, shown),
    )
    videos = [plan.videos / f"{number}.mp4" for number in range(plan.slideshows)]
    return [outcome_table(outcomes), video_table(videos)]


def _ended(programs: Programs, run: str) -> dict[str, float]:
    """Wait for a run's end, and give its counts."""
    counts: dict[str, float] = json.loads(programs.run("client", "check", run, "--wait", "--json", live=True))
    return counts
