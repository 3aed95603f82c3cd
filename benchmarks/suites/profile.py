"""Profiles the CPU time of the worker's loop in the trials whose budgets it limits."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.harness.processes import python
from benchmarks.harness.systems import CloudKon, TrialSetup
from benchmarks.harness.table import Table
from benchmarks.harness.trial import run_trial
from benchmarks.stub.stub_process import running_stub

# Name, chunk size, number of tasks, milliseconds of each task.
TRIALS: Final = (
    ("sleep 0, chunk 1", 1, 12_000, 0),
    ("chunk 10", 10, 60_000, 0),
    ("chunk 50", 50, 150_000, 0),
    ("10 ms, chunk 1", 1, 1_500, 10),
)
SHOWN: Final = 30
LEAST_TASKS: Final = 50
LAYERS: Final = {
    "images/worker/handlers/": "the handler",
    "images/worker/": "the pipeline (images/worker)",
    "cloudkon/protocol/": "the ledger's protocol (cloudkon/protocol)",
    "cloudkon/wire/": "messages, results, packed progress (cloudkon/wire)",
    "cloudkon/aws/": "requests and answers (cloudkon/aws)",
    "cloudkon/": "the rest of the core",
    "trio/": "trio, with its calls of the kernel",
    "outcome/": "trio, with its calls of the kernel",
    "python/<string>": "making values: data classes, named tuples",
}
"""Layers by the beginning of a file's path; the first match counts."""
_OTHERS: Final = "Python's own library"


@dataclass
class Profiled(CloudKon):
    """Our worker under the sampling profiler."""

    def worker(self, setup: TrialSetup) -> tuple[tuple[str, ...], Mapping[str, str]]:
        """The command of the profiled worker."""
        _, environment = super().worker(setup)
        return python(
            "benchmarks.harness.profiled_worker", str(samples(setup)), "--slots", str(self.slots)
        ), environment


@dataclass(frozen=True, slots=True)
class Profile:
    """Samples by function, and the loop's microseconds for each task."""

    name: str
    counts: Counter[str]
    microseconds: float

    def of(self, count: int) -> float:
        """Convert a number of samples to microseconds a task."""
        return self.microseconds * count / max(1, self.counts.total())


def samples(setup: TrialSetup) -> Path:
    """The file to which a worker writes its samples."""
    return setup.directory / "samples.json"


def measure(share: float) -> list[Table]:
    """Run each trial once, and show its samples by layer and by function."""
    with running_stub() as stub, TemporaryDirectory(prefix="cloudkon-bench-") as directory:
        setup = TrialSetup(stub, Path(directory))
        profiles = [_profile(setup, share, *one) for one in TRIALS]
    return tables_of(profiles)


def tables_of(profiles: list[Profile]) -> list[Table]:
    """Make the tables by layer and by function."""
    return [_layers(profiles), _functions(profiles)]


def _profile(setup: TrialSetup, share: float, name: str, chunk: int, tasks: int, milliseconds: int) -> Profile:
    samples(setup).unlink(missing_ok=True)
    found = run_trial(setup, Profiled(chunk=chunk), max(LEAST_TASKS, round(tasks * share)), milliseconds)
    counts = json.loads(samples(setup).read_text(encoding="utf-8")) if samples(setup).exists() else {}
    return Profile(name, Counter(counts), 1e6 * found.loop_cpu / found.tasks)


def _layers(profiles: list[Profile]) -> Table:
    table = Table(
        "Where the loop's CPU goes",
        ("µs/task of the loop in", *(one.name for one in profiles)),
        "One trial each as above, sampled by the CPU time of the loop's thread: microseconds a task within the "
        "functions of each layer themselves, without the functions that they call. boto3's own threads are not "
        "included: see CPU µs/request above. "
        + ", ".join(f"{one.counts.total():,} samples of {one.name}" for one in profiles)
        + ".",
    )
    by_layer = [_by_layer(one) for one in profiles]
    for layer in [*dict.fromkeys(LAYERS.values()), _OTHERS]:
        cells = (f"{one.of(layers[layer]):,.1f}" for one, layers in zip(profiles, by_layer, strict=True))
        table.rows.append((layer, *cells))
    table.rows.append(("all", *(f"{one.microseconds:,.1f}" for one in profiles)))
    return table


def _by_layer(profile: Profile) -> Counter[str]:
    found: Counter[str] = Counter()
    for function, count in profile.counts.items():
        found[next((layer for start, layer in LAYERS.items() if function.startswith(start)), _OTHERS)] += count
    return found


def _functions(profiles: list[Profile]) -> Table:
    table = Table(
        "The loop's functions by their own time",
        ("function", "file", *(one.name for one in profiles)),
        f"From the same samples: the {SHOWN} functions that take most in any trial, as shares of the loop's CPU time "
        "in that trial.",
    )
    most: Counter[str] = Counter()
    for one in profiles:
        for function, count in one.counts.items():
            most[function] = max(most[function], round(1e6 * count / one.counts.total()))
    for function, _ in most.most_common(SHOWN):
        path, _, name = function.partition(" ")
        shares = (f"{one.counts[function] / max(1, one.counts.total()):.1%}" for one in profiles)
        table.rows.append((f"`{name}`", path, *shares))
    table.figures += [
        {"trial": one.name, "loop_us_a_task": round(one.microseconds, 2), "samples": dict(one.counts.most_common(200))}
        for one in profiles
    ]
    return table
