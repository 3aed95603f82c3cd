"""Profile: where the CPU of the worker's loop goes, in the trials whose budgets it bounds."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.harness.processes import python
from benchmarks.harness.systems import CloudKon, Stand
from benchmarks.harness.table import Table
from benchmarks.harness.trial import trial
from benchmarks.stub.running import running_stub

# Name, system, tasks, milliseconds of each.
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
"""By how a file's path begins; the first that fits."""
_OTHERS: Final = "Python's own library"


@dataclass
class Profiled(CloudKon):
    """Our worker, sampled."""

    def worker(self, stand: Stand) -> tuple[tuple[str, ...], Mapping[str, str]]:
        """The same as unsampled, by another module."""
        _, environment = super().worker(stand)
        return python(
            "benchmarks.harness.profiled_worker", str(samples(stand)), "--slots", str(self.slots)
        ), environment


@dataclass(frozen=True, slots=True)
class Profile:
    """Samples by function, and what a task takes of the loop, in microseconds."""

    name: str
    counts: Counter[str]
    microseconds: float

    def of(self, count: int) -> float:
        """Microseconds a task that so many samples stand for."""
        return self.microseconds * count / max(1, self.counts.total())


def samples(stand: Stand) -> Path:
    """The file that a worker's samples go to."""
    return stand.directory / "samples.json"


def measure(share: float) -> list[Table]:
    """Each trial once, by layers and by functions."""
    with running_stub() as stub, TemporaryDirectory(prefix="cloudkon-bench-") as directory:
        stand = Stand(stub, Path(directory))
        profiles = [_profile(stand, share, *one) for one in TRIALS]
    return tables_of(profiles)


def tables_of(profiles: list[Profile]) -> list[Table]:
    """What they found, by layers and by functions."""
    return [_layers(profiles), _functions(profiles)]


def _profile(stand: Stand, share: float, name: str, chunk: int, tasks: int, milliseconds: int) -> Profile:
    samples(stand).unlink(missing_ok=True)
    found = trial(stand, Profiled(chunk=chunk), max(LEAST_TASKS, round(tasks * share)), milliseconds)
    counts = json.loads(samples(stand).read_text(encoding="utf-8")) if samples(stand).exists() else {}
    return Profile(name, Counter(counts), 1e6 * found.loop_cpu / found.tasks)


def _layers(profiles: list[Profile]) -> Table:
    table = Table(
        "Where the loop's CPU goes",
        ("µs/task of the loop in", *(one.name for one in profiles)),
        "One trial each as above, sampled by the CPU time of the thread in which the loop runs: microseconds a task "
        "within the functions of each layer themselves, not in what they call. What boto3 takes in its own threads is "
        "apart: see CPU µs/request above. "
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
        f"From the same samples: the {SHOWN} functions that take most in any of the trials, as shares of the loop's "
        "CPU in it.",
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
