"""The AWS account and the names that are derived from it."""

from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber

from cloudkon.aws import Connection
from cloudkon.aws.account import Account, find_account
from cloudkon.errors import AccessDenied, InvalidSetting
from cloudkon.settings import Settings

REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in REGIONS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAREAL")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


def test_account_comes_from_sts_and_region_from_the_settings() -> None:
    connection = Connection(Settings(target="aws", region="eu-north-1"))
    client: Any = connection.client("sts")
    with Stubber(client) as sts:
        sts.add_response("get_caller_identity", {"Account": "123456789012", "UserId": "x", "Arn": "a" * 20})
        found = find_account(connection)
    assert found == Account("123456789012", "eu-north-1")
    assert found.bucket("some") == "some-store-123456789012-eu-north-1"
    assert found.registry() == "123456789012.dkr.ecr.eu-north-1.amazonaws.com"


def test_missing_region_is_an_invalid_setting() -> None:
    with pytest.raises(InvalidSetting, match="region: none is set"):
        find_account(Connection(Settings(target="aws")))


def test_refused_credentials_are_access_denied() -> None:
    connection = Connection(Settings(target="aws", region="eu-north-1"))
    client: Any = connection.client("sts")
    with Stubber(client) as sts:
        sts.add_client_error("get_caller_identity", "ExpiredToken", "The security token has expired")
        with pytest.raises(AccessDenied, match="token has expired"):
            find_account(connection)
