"""Tests of the ``completion`` scripts, each in its own shell if the machine has it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from client.cli.shell_completion import SCRIPTS
from cloudkon.errors import EXIT_BAD_INPUT, EXIT_OK
from tests.unit.client.commands import Client

ROOT = Path(__file__).parents[3]
BASH = """
eval "$SCRIPT"
compopt() { echo "compopt $*"; }
for words in "pu" "push --pri" "push --priority h" "results --state c" "dlq re"; do
    COMP_WORDS=("$PYTHON" -m client $words)
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    COMPREPLY=()
    _cloudkon_client
    echo "${COMPREPLY[*]}"
done
COMP_WORDS=("$PYTHON" script.py ar)
COMP_CWORD=2
_cloudkon_client
complete -p python
"""
SYNTAX = {"zsh": ["zsh", "-n"], "fish": ["fish", "--no-execute"]}


def test_bash_completes_commands_options_and_their_values() -> None:
    variables = {**os.environ, "SCRIPT": SCRIPTS["bash"], "PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["bash", "-c", BASH], env=variables, capture_output=True, text=True, timeout=240, check=False)
    assert done.stdout.splitlines() == [
        "push pull purge",
        "--priority",
        "high",
        "cancelled",
        "redrive",
        "compopt -o default",
        "complete -F _cloudkon_client python",
    ], done.stderr


@pytest.mark.parametrize("shell", SYNTAX)
def test_zsh_and_fish_accept_their_scripts(shell: str, tmp_path: Path) -> None:
    """The tests don't require these shells: without them, only the script's text is checked."""
    script = tmp_path / "script"
    script.write_text(SCRIPTS[shell])
    assert f"{shell}_complete" in SCRIPTS[shell]
    if shutil.which(shell):
        done = subprocess.run([*SYNTAX[shell], str(script)], capture_output=True, text=True, timeout=240, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def test_completion_command_prints_the_script(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    assert client("completion", "bash") == EXIT_OK
    assert capsys.readouterr().out == SCRIPTS["bash"]
    assert client("completion", "cmd") == EXIT_BAD_INPUT
