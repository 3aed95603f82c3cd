"""The parts of the trial on a real account: estimate, meter, requests, environment, and how programs are ended."""

from dataclasses import replace

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.session import get_session

from cloudkon.aws.account import Account
from cloudkon.errors import InvalidInput
from cloudkon.prices import prices
from fleet.aws.preflights.service_roles import SERVICE_ROLES
from fleet.aws.resources.auto_scaling_group import Ec2Instance
from tests.aws import program_run
from tests.aws.account_session import CREDENTIALS, AccountSession, open_session, program_environment, user_of
from tests.aws.estimate import DOWN_HOURS, FIXED, OTHER_REGIONS, estimate, full_fleet, hour_price
from tests.aws.interruption import template_request
from tests.aws.journal import experiment_policy
from tests.aws.limits import Limits
from tests.aws.meter import LimitReached, Meter
from tests.aws.program_run import execute
from tests.aws.service_roles import SERVICES
from tests.aws.trial import check_region
from tests.aws.verb_roles import VerbRoles
from tests.fleet.double.value_limits import violations
from tests.fleet.iam_gate.lint import mistakes

REGION = "us-east-1"
FLEET = "trial-0a1b2c"
ROLE = "arn:aws:iam::123456789012:role/cloudkon-trial/trial-0a1b2c-experiment"


@pytest.fixture
def session() -> AccountSession:
    made = boto3.Session(aws_access_key_id="AKIA", aws_secret_access_key="secret", region_name=REGION)
    return AccountSession(made, Account("123456789012", REGION), "AIDA")


def test_default_limits_allow_the_default_trial_in_any_region() -> None:
    for region in (REGION, "sa-east-1"):
        Limits().check(estimate(region, Limits().hours))


def test_estimate_is_the_full_fleet_for_the_whole_time() -> None:
    hour = 2 * (prices().instance_hour["c7i.large"] + prices().gp3_gib_month * 30 / 730 + prices().public_address_hour)
    assert estimate(REGION, 3).dollars == pytest.approx(hour * (3 + DOWN_HOURS) + FIXED)
    assert estimate("eu-central-1", 3).dollars == pytest.approx(hour * OTHER_REGIONS * (3 + DOWN_HOURS) + FIXED)
    assert "prices of eu-central-1 are not listed" in estimate("eu-central-1", 3).text


def instance(type_: str = "c7i.large", *, spot: bool = False) -> Ec2Instance:
    return Ec2Instance("i-1", type_, "running", 0.0, spot=spot)


def test_unknown_types_and_spot_cost_as_much_as_the_default_type() -> None:
    assert hour_price([instance("x9.huge")], REGION) == hour_price([instance()], REGION)
    assert hour_price([instance(spot=True)], REGION) == hour_price([instance()], REGION)


class Now:
    def __init__(self) -> None:
        self.seconds = 0.0
        self.instances: list[Ec2Instance] = []
        self.is_down = False

    def clock(self) -> float:
        return self.seconds

    def read(self) -> list[Ec2Instance]:
        if self.is_down:
            raise ClientError({"Error": {"Code": "InternalError", "Message": "planted"}}, "DescribeInstances")
        return self.instances


@pytest.fixture
def now() -> Now:
    return Now()


def test_meter_counts_instances_for_their_time(now: Now) -> None:
    meter = Meter(Limits(), REGION, now.read, now.clock)
    now.seconds = 3600
    meter.check()
    assert meter.dollars == FIXED
    now.instances, now.seconds = [instance()], 5400
    meter.check()
    assert meter.dollars == pytest.approx(FIXED + hour_price([instance()], REGION) / 2)
    now.instances, now.seconds = [], 7200
    meter.check()
    assert meter.dollars == pytest.approx(FIXED + hour_price([instance()], REGION))


def test_meter_takes_the_whole_fleet_for_what_it_cannot_read(now: Now) -> None:
    meter = Meter(Limits(), REGION, now.read, now.clock)
    now.is_down, now.seconds = True, 3600
    meter.check()
    assert meter.dollars == pytest.approx(FIXED + hour_price(full_fleet(), REGION))


def test_meter_ends_the_trial_while_taking_down_is_still_within_the_limit(now: Now) -> None:
    hour = hour_price(full_fleet(), REGION)
    meter = Meter(Limits(dollars=FIXED + (1 + DOWN_HOURS) * hour, hours=99), REGION, now.read, now.clock)
    now.instances = full_fleet()
    now.seconds = 3500
    meter.check()
    now.seconds = 3700
    with pytest.raises(LimitReached, match="taking down may cost"):
        meter.check()


def test_meter_ends_the_trial_at_the_time_limit(now: Now) -> None:
    meter = Meter(Limits(hours=1), REGION, now.read, now.clock)
    now.seconds = 3601
    with pytest.raises(LimitReached, match=r"has taken 1\.0 h"):
        meter.check()


def test_regions_without_interruptions_are_refused() -> None:
    with pytest.raises(InvalidInput, match="region me-central-1: AWS interrupts no Spot instance"):
        check_region("me-central-1")
    check_region("eu-central-1")


def test_emulator_is_refused() -> None:
    with pytest.raises(InvalidInput, match="AWS_ENDPOINT_URL: the trial is for a real account"):
        open_session({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"})


def test_experiment_fits_the_api_model(session: AccountSession) -> None:
    request = template_request(session, FLEET, ROLE, "i-0123456789abcdef0")
    shape = get_session().get_service_model("fis").operation_model("CreateExperimentTemplate").input_shape
    assert list(violations(request, shape)) == []
    assert request["targets"]["instance"]["resourceArns"] == [
        "arn:aws:ec2:us-east-1:123456789012:instance/i-0123456789abcdef0"
    ]
    assert request["actions"]["interrupt"]["targets"] == {"SpotInstances": "instance"}


def test_policy_of_the_experiment_matches_what_it_names(session: AccountSession) -> None:
    assert list(mistakes(experiment_policy(session, FLEET)["Statement"])) == []


def test_service_linked_roles_are_those_that_up_makes_and_the_experiments() -> None:
    assert sorted(SERVICES.values()) == sorted([*SERVICE_ROLES, "fis.amazonaws.com"])


@pytest.mark.parametrize(
    ("user", "pattern"),
    [("AIDAEXAMPLE", "AIDAEXAMPLE"), ("AROAEXAMPLE:someone@example.com", "AROAEXAMPLE:*")],
    ids=["user", "role"],
)
def test_roles_trust_the_caller_only(session: AccountSession, user: str, pattern: str) -> None:
    caller = replace(session, user=user)
    [statement] = VerbRoles(caller, FLEET, lambda _: None).trust()["Statement"]
    assert statement["Principal"] == {"AWS": "arn:aws:iam::123456789012:root"}
    assert statement["Condition"] == {"StringLike": {"aws:userid": pattern}}


def test_root_user_is_refused() -> None:
    identity = {"Account": "123456789012", "Arn": "arn:aws:iam::123456789012:root", "UserId": "123456789012"}
    with pytest.raises(InvalidInput, match="an account's root user can't assume roles"):
        user_of(identity)
    assert user_of({**identity, "Arn": "arn:aws:iam::123456789012:user/root", "UserId": "AIDA"}) == "AIDA"


def test_program_has_these_credentials_only(session: AccountSession) -> None:
    others = dict.fromkeys(CREDENTIALS, "another") | {"AWS_REGION": "nowhere", "PATH": "/bin", "CLOUDKON_FLEET": FLEET}
    assert program_environment(session.keys(), REGION, others) == {
        "AWS_ACCESS_KEY_ID": "AKIA",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": REGION,
        "PATH": "/bin",
        "CLOUDKON_FLEET": FLEET,
    }


def test_program_returns_its_code_and_output() -> None:
    assert execute(("tests.fleet.trial.no_such_module",), {}, 60.0, lambda: None).code == 1
    finished = execute(("json.tool", "--help"), {}, 60.0, lambda: None)
    assert finished.code == 0
    assert "usage" in finished.output


def test_program_is_ended_when_the_trial_must_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program_run, "POLL_SECONDS", 0.05)

    def watch() -> None:
        raise LimitReached("enough")

    with pytest.raises(LimitReached):
        execute(("timeit", "-n1", "-r1", "import time; time.sleep(600)"), {}, 600.0, watch)
