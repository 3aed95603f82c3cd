"""Measures the start of `python -m client`: for its help, and up to a service's first response."""

import statistics
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Final

from benchmarks.harness.processes import ResourceUsage, python, run_measured
from benchmarks.harness.systems import CloudKon, TrialSetup
from benchmarks.harness.table import Budget, Table
from benchmarks.stub.stub_process import running_stub

ROUNDS: Final = 20
WANTED: Final = {"--help": 0.35, "runs": 0.6}
"""CPU seconds; without a run, ``runs`` ends with the first response."""
COMMANDS: Final = (("--help",), ("push", "--help"), ("runs",))


def measure(share: float) -> list[Table]:
    """Run the commands alternately, and measure each from start to exit."""
    rounds = max(3, round(ROUNDS * share))
    table = Table(
        "Start of the client",
        ("command", "CPU s", "seconds"),
        f"`python -m client` from start to exit, medians of {rounds}; `runs`, of a fleet without runs on the stub, "
        "ends with the first response.",
    )
    found: dict[tuple[str, ...], list[ResourceUsage]] = {words: [] for words in COMMANDS}
    with running_stub() as stub, TemporaryDirectory(prefix="cloudkon-bench-") as directory:
        setup = TrialSetup(stub, Path(directory))
        system = CloudKon(chunk=1)
        system.prepare(setup)
        for _ in range(rounds):
            for words, taken in found.items():
                with TemporaryFile() as output:
                    taken.append(
                        run_measured(python("client", *words), setup.directory, system.worker(setup)[1], output)
                    )
    for words, taken in found.items():
        cpu, seconds = (
            statistics.median(values) for values in zip(*((one.cpu, one.seconds) for one in taken), strict=True)
        )
        table.rows.append((f"`{' '.join(words)}`", f"{cpu:.2f}", f"{seconds:.2f}"))
        if wanted := WANTED.get(" ".join(words)):
            what = "CPU s of `--help`" if words == COMMANDS[0] else "CPU s of the client up to the first response"
            table.budgets.append(Budget(what, wanted, cpu, ".2f", least=False))
    return [table]
