"""Start: what `python -m client` takes before it does anything: for its help, and up to a service's first answer."""

import statistics
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Final

from benchmarks.harness.processes import Spent, python, spent
from benchmarks.harness.systems import CloudKon, Stand
from benchmarks.harness.table import Budget, Table
from benchmarks.stub.running import running_stub

ROUNDS: Final = 20
WANTED: Final = {"--help": 0.35, "runs": 0.6}
"""CPU seconds: ``runs`` ends with the first answer where there is no run."""
COMMANDS: Final = (("--help",), ("push", "--help"), ("runs",))


def measure(share: float) -> list[Table]:
    """Each command in turn, again and again, from its start to its end."""
    rounds = max(3, round(ROUNDS * share))
    table = Table(
        "Start of the client",
        ("command", "CPU s", "seconds"),
        f"`python -m client`, from its start to its end, medians of {rounds}; `runs` of a fleet without any, on the "
        "stub, ends with the first answer.",
    )
    found: dict[tuple[str, ...], list[Spent]] = {words: [] for words in COMMANDS}
    with running_stub() as stub, TemporaryDirectory(prefix="cloudkon-bench-") as directory:
        stand = Stand(stub, Path(directory))
        system = CloudKon(chunk=1)
        system.prepare(stand)
        for _ in range(rounds):
            for words, taken in found.items():
                with TemporaryFile() as said:
                    taken.append(spent(python("client", *words), stand.directory, system.worker(stand)[1], said))
    for words, taken in found.items():
        cpu, seconds = (
            statistics.median(values) for values in zip(*((one.cpu, one.seconds) for one in taken), strict=True)
        )
        table.rows.append((f"`{' '.join(words)}`", f"{cpu:.2f}", f"{seconds:.2f}"))
        if wanted := WANTED.get(" ".join(words)):
            what = "CPU s of `--help`" if words == COMMANDS[0] else "CPU s of the client up to a first answer"
            table.budgets.append(Budget(what, wanted, cpu, ".2f", least=False))
    return [table]
