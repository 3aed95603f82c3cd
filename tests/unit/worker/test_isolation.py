"""What a command line can do to its worker, for a user without rights: not read its environment, nor signal it."""

import os
import subprocess
import sys
from pathlib import Path
from shutil import which
from typing import Final

import pytest

from tests.support.patience import PATIENCE

WITHOUT_RIGHTS: Final = ("setpriv", "--bounding-set=-all") if os.getuid() == 0 else ("setpriv",)
pytestmark = pytest.mark.skipif(
    not which("setpriv") or not Path("/proc/self/environ").exists(), reason="it needs Linux and its setpriv"
)
HAS_DOMAINS: Final = (
    subprocess.run(
        [
            sys.executable,
            "-c",
            "from images.worker.processes.landlock import enter_domain; import sys; sys.exit(not enter_domain())",
        ],
        check=False,
    ).returncode
    == 0
)


def run_worker(place: Path, *commands: str, options: tuple[str, ...] = ()) -> list[str]:
    """Run command lines by a worker without rights that has a secret in its environment; return what they printed."""
    workload = place / "workload"
    workload.write_text("".join(f"exec ({line}) > {place}/{number}\n" for number, line in enumerate(commands)))
    subprocess.run(
        [*WITHOUT_RIGHTS, *options, sys.executable, "-m", "images.worker", "--local", workload],
        env={
            "PATH": os.environ["PATH"],
            "TMPDIR": str(place),
            "PYTHONPATH": os.pathsep.join(sys.path),
            "PYTHONDONTWRITEBYTECODE": "1",
            "AWS_SECRET_ACCESS_KEY": "hidden",
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/hidden",
            "CLOUDKON_ALLOW_EXEC": "yes",
            "CLOUDKON_STATE_DIR": str(place),
        },
        cwd=place,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    return [(place / str(number)).read_text() for number in range(len(commands))]


def test_command_reads_the_secret_in_no_process(tmp_path: Path) -> None:
    everything, own = run_worker(
        tmp_path, "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'", "cat /proc/$PPID/environ || echo refused"
    )
    assert "CLOUDKON_TASK=" in everything, "it sees its own environment"
    assert "hidden" not in everything
    assert own == "refused\n"


@pytest.mark.skipif(not HAS_DOMAINS, reason="it needs Linux 6.12")
def test_command_can_signal_no_process_but_its_own_where_it_can_gain_no_rights(tmp_path: Path) -> None:
    guard, signalled, own, moved = run_worker(
        tmp_path,
        "kill -KILL $PPID 2>&1; echo $?",
        "for one in /proc/[0-9]*; do kill -0 ${one#/proc/} 2>/dev/null && echo ${one#/proc/} $$; done | wc -l",
        "sleep 1000 & kill $! && echo killed",
        "mkdir one two; touch one/file; mv one/file two/ && ls two",
        options=("--no-new-privs",),
    )
    assert "not permitted" in guard
    assert int(signalled) <= 4, "the shell, its two subshells and wc"
    assert own == "killed\n"
    assert moved == "file\n"
