"""Writes the findings as Markdown tables and plots, beside figures that others published."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from cloudkon.programs import command

from ..records.known_runs import replace_text
from .chart import Chart, Line
from .experiments import EXPERIMENTS, PICTURES, Cell, Experiment
from .findings import Finding, Findings
from .published import CLONE_2014 as THEIRS

FILE_NAME = "report.md"
Measured = list[tuple[int, Finding]]
"""The widths of one experiment and their findings."""


def write_report(findings: Findings) -> Path:
    """Write the report and its plots into the findings' folder, and return its path."""
    measured = {one: _measured(findings, one) for one in EXPERIMENTS}
    found = {one: some for one, some in measured.items() if some}
    parts = [*_head(findings), *(part for one, some in found.items() for part in _section(one, some))]
    findings.folder.mkdir(parents=True, exist_ok=True)
    for name, chart in _charts(found):
        replace_text(findings.folder / name, chart.svg())
        parts.append(f"![{chart.title}]({name})")
    path = findings.folder / FILE_NAME
    replace_text(path, "\n\n".join(parts) + "\n")
    return path


def _measured(findings: Findings, experiment: Experiment) -> Measured:
    prefix = f"{experiment.name}/"
    found = [(key.removeprefix(prefix), one) for key, one in findings.measured.items() if key.startswith(prefix)]
    return sorted((int(width), one) for width, one in found)


def _head(findings: Findings) -> Iterator[str]:
    terms = findings.terms
    yield "# Bench"
    yield (
        f"Written by `{command('client bench')}` from `findings.json`. Fleet `{terms['fleet']}` on the target "
        f"`{terms['target']}`: {terms['slots']} slot{'' if terms['slots'] == 1 else 's'} a worker, {terms['chunk']} "
        f"task{'' if terms['chunk'] == 1 else 's'} a message, {terms['share']:g} of the reports' tasks. Each run was "
        "pushed before its workers were started; seconds are from the first task's start to the last one's end."
    )
    yield f"Figures called theirs are those of {THEIRS.whose}. They were measured elsewhere, on other machines."


def _section(experiment: Experiment, measured: Measured) -> Iterator[str]:
    yield f"## {experiment.title}"
    yield _note(experiment)
    heads = ["slots" if experiment.is_local else "workers", "tasks", "failed", "seconds", *_heads(experiment)]
    rows = [
        [f"{width:,}", f"{one.tasks:,}", f"{one.failed:,}", f"{one.seconds:,.2f}", *_figures(experiment, width, one)]
        for width, one in measured
    ]
    yield "\n".join(f"| {' | '.join(row)} |" for row in [heads, ["---:"] * len(heads), *rows])


def _note(experiment: Experiment) -> str:
    tasks = f"{experiment.tasks:,}"
    what = f"{tasks} times `{experiment.instruction}`" if experiment.instruction else f"{tasks} of {PICTURES} pictures"
    each = "in all" if experiment.in_all else "a slot"
    where = f" By `{command('images.worker --local')}`, with queue and ledger in memory." if experiment.is_local else ""
    return f"{what} {each} at full share.{where}"


def _heads(experiment: Experiment) -> list[str]:
    if experiment.is_throughput:
        return ["tasks/s", "theirs, times the workers"] if not experiment.is_local else ["tasks/s"]
    if experiment.milliseconds is None:
        return ["videos/min", "seconds a video"]
    theirs = THEIRS.share(experiment)
    return ["efficiency", *(["theirs"] if theirs is not None and not experiment.is_local else [])]


def _figures(experiment: Experiment, width: int, one: Finding) -> list[str]:
    if experiment.is_throughput:
        theirs = THEIRS.rate(experiment, width)
        rate = f"{one.tasks_per_second:,.1f}"
        return [rate] if experiment.is_local or theirs is None else [rate, f"{theirs:,.1f}"]
    if experiment.milliseconds is None:
        return [f"{60 * one.tasks_per_second:,.1f}", f"{one.busy / one.tasks:,.1f}"]
    share = THEIRS.share(experiment)
    return [f"{one.efficiency:.1%}", *([f"{share:.0%}"] if share is not None and not experiment.is_local else [])]


def _charts(measured: dict[Experiment, Measured]) -> Iterator[tuple[str, Chart]]:
    for local, x_label in ((False, "workers"), (True, "slots")):
        some = {one: found for one, found in measured.items() if one.is_local == local}
        suffix, where = ("-local", ", in one process") if local else ("", "")
        rates = [_rates(one, found) for one, found in some.items() if one.is_throughput]
        if rates:
            theirs = [] if local else [_their_rates(one, found) for one, found in some.items() if one.is_throughput]
            yield f"throughput{suffix}.svg", Chart(f"Throughput{where}", x_label, "tasks/s", [*rates, *theirs])
        shares = list(_shares(some.items(), local=local))
        if shares:
            yield f"efficiency{suffix}.svg", Chart(f"Efficiency{where}", x_label, "%", shares, most=100)
        videos = [_videos(found) for one, found in some.items() if one.milliseconds is None]
        if videos:
            yield "slideshows.svg", Chart("Slideshows", x_label, "videos/min", videos)


def _rates(one: Experiment, found: Measured) -> Line:
    return Line(one.instruction, [(width, each.tasks_per_second) for width, each in found])


def _videos(found: Measured) -> Line:
    return Line(f"{PICTURES} pictures each", [(width, 60 * each.tasks_per_second) for width, each in found])


def _their_rates(one: Experiment, found: Measured) -> Line:
    rates = [(width, THEIRS.rate(one, width)) for width, _ in found]
    return Line("2014 clone, times workers", [(width, rate) for width, rate in rates if rate is not None], theirs=True)


def _shares(some: Iterable[tuple[Experiment, Measured]], *, local: bool) -> Iterator[Line]:
    for one, found in some:
        if one.milliseconds:
            yield Line(one.instruction, [(width, 100 * each.efficiency) for width, each in found])
            theirs = THEIRS.share(one)
            if theirs is not None and not local:
                points = [(width, 100 * theirs) for width, _ in found]
                yield Line(f"2014 clone, {one.milliseconds:g} ms", points, theirs=True)


def cell_text(cell: Cell, one: Finding) -> str:
    """Format a cell's finding as a line for people."""
    name, figure = _heads(cell.experiment)[0], _figures(cell.experiment, cell.width, one)[0]
    return f"{cell}: {one.seconds:,.2f} s, {figure} {name}"
