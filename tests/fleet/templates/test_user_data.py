"""What the instances run at their first start, run here: bash and systemd judge it, not we."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from trio.testing import MockClock

from fleet.aws.target import AwsTarget
from tests.fleet.double.account import Account
from tests.fleet.double.real_templates import NAME
from tests.fleet.double.template import Template
from tests.fleet.fleet_steps import start_workers, the_group
from tests.support.template_rendering import TEMPLATES, UPDATED, render, text_of

UNIT = "cloudkon-spot-notice.service"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Run the user data with its absolute paths in this directory, and a ``systemctl`` that notes its arguments."""
    for directory in ("etc/ecs", "etc/systemd/system", "usr/local/sbin", "programs"):
        (tmp_path / directory).mkdir(parents=True)
    lines = render(Template(text_of("compute")), UPDATED)["LaunchTemplate"]["Properties"]["LaunchTemplateData"]
    script = "\n".join(lines["UserData"])
    for place in ("/etc/", "/usr/local/sbin/"):
        script = script.replace(f" {place}", f" {tmp_path}{place}").replace(f"={place}", f"={tmp_path}{place}")
    systemctl = tmp_path / "programs/systemctl"
    systemctl.write_text(f'#!/bin/sh\necho "$*" >> {tmp_path}/systemctl-calls\n')
    systemctl.chmod(0o755)
    path = f"{tmp_path}/programs:{os.environ['PATH']}"
    run = subprocess.run(["bash", "-eu"], input=script, env={"PATH": path}, capture_output=True, text=True, check=True)
    assert run.stdout + run.stderr == ""
    return tmp_path


def test_agent_is_configured_and_the_spot_service_is_started_without_waiting(root: Path) -> None:
    assert "ECS_CLUSTER=cloudkon\n" in (root / "etc/ecs/ecs.config").read_text()
    assert (root / "systemctl-calls").read_text() == f"enable --now --no-block {UNIT}\n"


def test_installed_script_is_the_tested_one_without_its_comments(root: Path) -> None:
    installed = root / "usr/local/sbin/cloudkon-spot-notice"
    assert os.access(installed, os.X_OK)
    subprocess.run(["bash", "-n", str(installed)], check=True)
    source = (TEMPLATES / "spot-notice.sh").read_text(encoding="utf-8").splitlines()
    lines = installed.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "#!/bin/bash"
    assert lines[1:] == [line for line in source if line.strip() and not line.lstrip().startswith("#")]


async def test_instances_of_a_fleet_get_the_script(
    account: Account, target: AwsTarget, autojump_clock: MockClock
) -> None:
    await start_workers(account, target, 1)
    data = the_group(account).instances[0].user_data
    assert "while read -r id family; do" in data
    assert f"ExecStart=/usr/local/sbin/cloudkon-spot-notice {NAME}\n" in data


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")
def test_systemd_accepts_the_unit(root: Path) -> None:
    unit = root / "etc/systemd/system" / UNIT
    assert _verify(unit) == ""
    unit.write_text(unit.read_text().replace("Restart=on-failure", "Restart=often"))
    assert "restart specifier" in _verify(unit)


def _verify(unit: Path) -> str:
    """Return what systemd has to say about a unit file, apart from other units of this machine."""
    run = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    return "".join(line for line in run.stderr.splitlines(keepends=True) if UNIT in line)
