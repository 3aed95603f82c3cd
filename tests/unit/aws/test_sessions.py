"""Credentials are found once for all clients of a connection, and what fails there is one line with its remedy."""

import hashlib
import json
import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import trio

from cloudkon.aws import Connection, connect, sessions
from cloudkon.aws.account import find_account
from cloudkon.errors import AccessDenied, CloudKonError, InvalidInput, InvalidSetting
from cloudkon.settings import Settings
from tests.support.pseudo_terminal import PseudoTerminal

SETTINGS = Settings(target="aws", region="eu-north-1", profile="mine")
MFA = """
[profile keys]
aws_access_key_id = AKIAKEYS
aws_secret_access_key = secret

[profile mine]
role_arn = arn:aws:iam::123456789012:role/engineer
source_profile = keys
mfa_serial = arn:aws:iam::123456789012:mfa/me
"""
START_URL = "https://example.awsapps.com/start"
SSO = f"""
[profile mine]
sso_start_url = {START_URL}
sso_region = eu-north-1
sso_account_id = 123456789012
sso_role_name = engineer
"""
SSO_SESSION = f"""
[profile mine]
sso_session = company
sso_account_id = 123456789012
sso_role_name = engineer

[sso-session company]
sso_start_url = {START_URL}
sso_region = eu-north-1
sso_registration_scopes = sso:account:access
"""
EXPIRED = json.dumps(
    {
        "Version": 1,
        "AccessKeyId": "ASIAOLD",
        "SecretAccessKey": "s",
        "SessionToken": "t",
        "Expiration": "2020-01-01T00:00:00Z",
    }
)
SERVICES = ("sqs", "dynamodb", "s3", "ecs", "cloudformation", "autoscaling")


class FakeSts(ThreadingHTTPServer):
    """Answers ``AssumeRole`` and ``GetCallerIdentity``; accepts each MFA code once, as AWS does."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.codes: list[str] = []
        self.expires = datetime.now(UTC) + timedelta(hours=1)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, FakeSts)
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        if form["Action"] == ["AssumeRole"]:
            code = form["TokenCode"][0]
            good = code != "000000" and code not in server.codes
            server.codes.append(code)
            if not good:
                self._send(
                    403, _error("AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass")
                )
                return
            keys = (
                "<AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
            )
            expires = f"<Expiration>{server.expires:%Y-%m-%dT%H:%M:%SZ}</Expiration>"
            self._send(200, f"<R><AssumeRoleResult><Credentials>{keys}{expires}</Credentials></AssumeRoleResult></R>")
        else:
            self._send(200, "<R><GetCallerIdentityResult><Account>123456789012</Account></GetCallerIdentityResult></R>")

    def _send(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def _error(code: str, message: str) -> str:
    return f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty home directory, where botocore looks for logins as well."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    (tmp_path / ".aws").mkdir()
    # botocore found the user's own while it was imported.
    for name in ("credentials.SSOProvider", "tokens.SSOTokenProvider"):
        monkeypatch.setattr(f"botocore.{name}._SSO_TOKEN_CACHE_DIR", str(tmp_path / ".aws" / "sso" / "cache"))
    return tmp_path


@pytest.fixture
def sts(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSts]:
    with FakeSts() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.address)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The codes that a person types, the last one first; each question takes one of them."""
    codes: list[str] = ["333333", "222222", "111111"]
    monkeypatch.setattr(sessions, "ask_for_code", lambda _prompt: codes.pop())
    return codes


def configure(home: Path, text: str) -> None:
    (home / ".aws" / "config").write_text(text)


async def keys_of(connection: Connection, service: str) -> str:
    """Sign as a call of the service does, and return whose key it used."""
    client: Any = await trio.to_thread.run_sync(connection.client, service)
    frozen = await connection.call(client._request_signer._credentials.get_frozen_credentials)
    return str(frozen.access_key)


async def test_mfa_code_is_asked_for_once_for_all_services(home: Path, sts: FakeSts, typed: list[str]) -> None:
    configure(home, MFA)
    connection = Connection(SETTINGS)
    found: set[str] = set()

    async def use(service: str) -> None:
        found.add(await keys_of(connection, service))

    # At the same time: each of them needs the code now.
    async with trio.open_nursery() as nursery:
        for service in SERVICES:
            nursery.start_soon(use, service)
    account = await connection.call(find_account, connection)
    assert (found, account.number) == ({"ASIAROLE"}, "123456789012")
    assert sts.codes == ["111111"]
    assert len(typed) == 2


async def test_services_of_one_command_share_the_code(home: Path, sts: FakeSts, typed: list[str]) -> None:
    configure(home, MFA)
    connection = Connection(SETTINGS)
    services = await trio.to_thread.run_sync(lambda: connect(SETTINGS, connection=connection))
    assert services.store.address("a") == "s3://cloudkon-store-123456789012-eu-north-1/a"
    assert [await keys_of(connection, service) for service in SERVICES] == ["ASIAROLE"] * len(SERVICES)
    assert sts.codes == ["111111"]


async def test_wrong_code_is_one_line_and_not_asked_for_again(home: Path, sts: FakeSts, typed: list[str]) -> None:
    configure(home, MFA)
    typed.append("000000")
    connection = Connection(SETTINGS)
    with pytest.raises(AccessDenied, match=r"invalid MFA one time pass. Wait for the next code") as wrong:
        await connection.call(find_account, connection)
    # Another task of the same command.
    with pytest.raises(AccessDenied, match="it asks for a new MFA code"):
        await connection.call(find_account, connection)
    assert wrong.value.exit_code == 1
    assert sts.codes == ["000000"]


async def test_session_of_a_code_that_ends_midway_asks_to_repeat_the_command(
    home: Path, sts: FakeSts, typed: list[str]
) -> None:
    configure(home, MFA)
    # botocore renews credentials ten minutes before their end.
    sts.expires = datetime.now(UTC) + timedelta(minutes=5)
    connection = Connection(SETTINGS)
    assert await keys_of(connection, "sqs") == "ASIAROLE"
    with pytest.raises(AccessDenied, match="Run the command again: it asks for a new MFA code"):
        await keys_of(connection, "sqs")
    assert sts.codes == ["111111"]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[PseudoTerminal]:
    made = PseudoTerminal()
    monkeypatch.setattr(sessions, "_TERMINAL", os.ttyname(made.descriptor))
    yield made
    made.close()


def test_code_is_typed_at_the_terminal_whatever_stdin_is(terminal: PseudoTerminal) -> None:
    terminal.type("123456\n")
    assert sessions.ask_for_code("MFA code: ") == "123456"


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "٣٣٣٣٣٣"])
def test_code_that_is_not_six_digits_is_bad_input(terminal: PseudoTerminal, code: str) -> None:
    terminal.type(f"{code}\n")
    with pytest.raises(InvalidInput, match="MFA code: it is not 6 digits"):
        sessions.ask_for_code("MFA code: ")


async def test_mfa_without_a_terminal_is_bad_input(home: Path, sts: FakeSts, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(home, MFA)
    monkeypatch.setattr(sessions, "_TERMINAL", str(home / "no-terminal"))
    connection = Connection(SETTINGS)
    with pytest.raises(InvalidInput, match=r"no terminal to ask at. Assume the role before") as refused:
        await connection.call(find_account, connection)
    assert refused.value.exit_code == 2
    assert sts.codes == []


async def test_login_of_the_aws_command_line_names_what_is_missing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.credentials.EC", None)
    configure(home, "[profile mine]\nlogin_session = arn:aws:iam::123456789012:user/me\n")
    with pytest.raises(InvalidSetting, match=r"pip install 'botocore\[crt\]'") as refused:
        await failure_of(home)
    assert refused.value.exit_code == 2
    assert "\n" not in str(refused.value)


async def failure_of(home: Path) -> None:
    """Start a command as the programs do: the account is the first thing that they ask for."""
    connection = Connection(SETTINGS)
    # The client asks outside of ``call``, and the fleet inside of it.
    with pytest.raises(CloudKonError) as outside:
        await trio.to_thread.run_sync(connect, SETTINGS)
    with pytest.raises(CloudKonError) as inside:
        await connection.call(find_account, connection)
    assert str(inside.value) == str(outside.value)
    raise inside.value


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (SSO, "Log in again with: aws sso login"),
        (SSO_SESSION, "Log in again with: aws sso login"),
        ("[profile mine]\ncredential_process = sh -c 'echo first >&2; echo second >&2; exit 3'\n", "first second. Fix"),
        ("[profile mine]\ncredential_process = echo {}\n", "Fix what AWS_PROFILE names"),
        (f"[profile mine]\ncredential_process = echo '{EXPIRED}'\n", "still expired. Log in again"),
        ("[profile mine]\nrole_arn = arn:aws:iam::123456789012:role/x\n", "missing: source_profile"),
    ],
    ids=["sso", "sso-session", "process", "process-without-keys", "process-too-late", "half-a-role"],
)
async def test_credentials_that_cannot_be_had_are_one_line_with_the_remedy(home: Path, config: str, words: str) -> None:
    configure(home, config)
    with pytest.raises(AccessDenied) as denied:
        await failure_of(home)
    assert words in str(denied.value)
    assert "\n" not in str(denied.value)
    assert denied.value.exit_code == 1


@pytest.mark.parametrize(("config", "name"), [(SSO, START_URL), (SSO_SESSION, "company")], ids=["sso", "sso-session"])
async def test_expired_sso_login_names_the_command(home: Path, config: str, name: str) -> None:
    configure(home, config)
    cache = home / ".aws" / "sso" / "cache"
    cache.mkdir(parents=True)
    token = {"startUrl": START_URL, "region": "eu-north-1", "accessToken": "x", "expiresAt": "2020-01-01T00:00:00Z"}
    # botocore's name for it.
    (cache / f"{hashlib.sha1(name.encode()).hexdigest()}.json").write_text(json.dumps(token))
    with pytest.raises(AccessDenied, match=r"expired.*Log in again with: aws sso login"):
        await failure_of(home)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("not a [configuration", "Unable to parse config file"),
        ("[profile mine]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = gone\n", "gone"),
        ("[profile other]\n", r"profile 'mine'.*could not be found"),
    ],
    ids=["malformed", "no-source", "no-profile"],
)
async def test_unusable_configuration_is_an_invalid_setting(home: Path, config: str, words: str) -> None:
    configure(home, config)
    with pytest.raises(InvalidSetting, match=words) as refused:
        await failure_of(home)
    assert refused.value.exit_code == 2
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "lines",
    [
        "credential_process = /no/such/program",
        "credential_process = /bin/echo no-json",
        "role_arn = arn:aws:iam::123456789012:role/x\nweb_identity_token_file = /no/such/file",
    ],
    ids=["no-program", "no-json", "no-token-file"],
)
async def test_profile_that_gives_no_credentials_is_one_line(lines: str, home: Path) -> None:
    configure(home, f"[profile mine]\n{lines}\n")
    connection = Connection(SETTINGS)
    with pytest.raises(AccessDenied, match="AWS_PROFILE") as raised:
        await connection.call(find_account, connection)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("lines", "subject"),
    [("region = not a region", "region"), ("region = eu-north-1\nendpoint_url = nonsense", "endpoint")],
    ids=["region", "endpoint"],
)
def test_wrong_value_of_a_profile_is_named(lines: str, subject: str, home: Path) -> None:
    configure(home, f"[profile mine]\naws_access_key_id = a\naws_secret_access_key = b\n{lines}\n")
    with pytest.raises(InvalidSetting, match=f"^{subject}: ") as raised:
        Connection(Settings(target="aws", profile="mine")).client("sqs")
    assert "None" not in str(raised.value)
