"""Makes boto3's session of a connection: whose credentials its calls are signed with."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import boto3
import botocore.session
from botocore.exceptions import (
    ConfigNotFound,
    ConfigParseError,
    CredentialRetrievalError,
    InvalidConfigError,
    MissingDependencyException,
    ProfileNotFound,
)

from cloudkon.errors import InvalidInput, InvalidSetting
from cloudkon.settings import ANY_SECRET, Settings

EMULATOR_ACCESS_KEY: Final = "cloudkon"
_EMULATOR_REGION: Final = "us-east-1"
_CODE_DIGITS: Final = 6
"""Of an MFA code (IAM User Guide, MFA for users: "a six-digit numeric code")."""
_TERMINAL: Final = "/dev/tty"
UNUSABLE: Final = (ConfigNotFound, ConfigParseError, InvalidConfigError, MissingDependencyException, ProfileNotFound)
"""What boto3 raises for a profile or a configuration file that can't be used."""
_UNTRANSLATED: Final = (OSError, ValueError, LookupError, TypeError)
"""What botocore lets through as it is: a program or a token file that is missing, or text that is not its JSON."""


def session_of(settings: Settings, endpoint: str) -> boto3.Session:
    """Make the session that the settings name. ``endpoint`` is the emulator's address, empty on AWS.

    Its credentials are found once, but a role is only assumed at the first call. A person is asked for an MFA code
    then, once for all clients of the session. Raises one of ``UNUSABLE``, or ``CredentialRetrievalError``.
    """
    if settings.target != "aws":
        return _emulator_session(settings.region, settings.emulator_secret())
    core: Any = botocore.session.Session(profile=settings.profile or None)
    # botocore asks without echo, and a terminal that is left so at Ctrl-C stays so. It has no public name for this.
    core.get_component("credential_provider").get_provider("assume-role")._prompter = ask_for_code  # noqa: SLF001
    session = boto3.Session(region_name=settings.region or None, botocore_session=core)
    credentials: Any = _retrieved(session.get_credentials)
    if endpoint and credentials is None:
        return _emulator_session(settings.region, ANY_SECRET)
    if refresh := getattr(credentials, "_refresh_using", None):
        # A token file is read only now and then. botocore has no public name for this.
        credentials._refresh_using = lambda: _retrieved(refresh)  # noqa: SLF001
    return session


def _retrieved(find: Callable[[], Any]) -> Any:  # noqa: ANN401  (botocore's credentials)
    """Return what ``find`` returns; raise what botocore does not translate as ``CredentialRetrievalError``."""
    try:
        return find()
    except _UNTRANSLATED as error:
        # The text of a JSON error has no part of the output, which may be a secret.
        raise CredentialRetrievalError(provider="the profile", error_msg=f"{type(error).__name__}: {error}") from error


def to_invalid_setting(error: Exception, profile: str) -> InvalidSetting:
    """Return the error of ours for one of ``UNUSABLE``."""
    text = " ".join(str(error).split())
    if isinstance(error, ProfileNotFound):
        return InvalidSetting(f"profile {profile!r}", text, "Fix AWS_PROFILE")
    subject = f"profile {profile!r}" if profile else "profile 'default'"
    if isinstance(error, MissingDependencyException):
        # "Using the login credential provider requires an additional dependency": the signature of aws login's tokens.
        return InvalidSetting(
            subject,
            "a login of aws login needs botocore's extra crt, which is not installed",
            "Install it with: pip install 'botocore[crt]'; or give its credentials with: "
            'eval "$(aws configure export-credentials --format env)"',
        )
    return InvalidSetting(subject, text.rstrip("."), "Fix AWS's configuration files, or set AWS_PROFILE")


def ask_for_code(prompt: str) -> str:
    """Ask for an MFA code at the terminal, whatever stdin is. Raises ``InvalidInput`` without a terminal or a code.

    The code is shown as it is typed: AWS accepts it once, and only within its half minute.
    """
    try:
        # It can't be opened once for both: a terminal has no positions to seek.
        with Path(_TERMINAL).open(encoding="utf-8") as answered, Path(_TERMINAL).open("w", encoding="utf-8") as asked:
            asked.write(prompt)
            asked.flush()
            code = answered.readline().strip()
    except OSError as error:
        raise InvalidInput(
            "MFA code",
            "the profile needs one, and there is no terminal to ask at",
            'Assume the role before: eval "$(aws configure export-credentials --format env)"',
        ) from error
    if not (len(code) == _CODE_DIGITS and code.isascii() and code.isdigit()):
        raise InvalidInput("MFA code", f"it is not {_CODE_DIGITS} digits", "Run the command again")
    return code


def _emulator_session(region: str, secret: str) -> boto3.Session:
    """Make a session with the emulator's own credentials, whatever the user's environment and files contain.

    The user's real ones must not be sent to it, and an expired login or a missing profile must not stop a fleet that
    needs neither. Emulators derive the account from the access key, so all programs must use the same one.
    """
    nowhere = (None, None, os.devnull, None)
    core = botocore.session.Session(
        session_vars={
            "profile": (None, None, None, None),
            "config_file": nowhere,
            "credentials_file": nowhere,
        }
    )
    return boto3.Session(
        aws_access_key_id=EMULATOR_ACCESS_KEY,
        aws_secret_access_key=secret,
        region_name=region or _EMULATOR_REGION,
        botocore_session=core,
    )
