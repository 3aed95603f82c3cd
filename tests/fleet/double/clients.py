"""Makes boto3 clients that call an account in memory instead of AWS.

Every request is checked against AWS's own model, which botocore ships, before it is executed. Every answer is checked
against the model's output. So neither the fleet nor the double can invent a parameter. Requests are also checked for
enumerations, patterns and maximum sizes. botocore does not check these; AWS refuses them only when called.
"""

from functools import cache
from types import SimpleNamespace
from typing import Any, Protocol

import boto3
from botocore.config import Config
from botocore.model import OperationModel
from botocore.validate import ParamValidator

from tests.fleet.double.api_error import ApiError
from tests.fleet.double.value_limits import violations
from tests.fleet.templates.documented_limits.limits import request_violations

REGION = "us-east-1"
_REQUEST = "double_asked"
_CHECKED: set[tuple[object, str]] = set()
"""Requests and answers that were checked, with their shape. The fleet polls: most are there already."""


class Backend(Protocol):
    """Answers the calls."""

    def answer(self, service: str, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """Execute a call; raises ``ApiError``."""
        ...


class ActiveBackend:
    """The account that answers. One for the whole process, since creating a client takes tenths of a second."""

    backend: Backend | None = None
    skips_response_checks = False
    """Whether answers skip the check against the model."""


@cache
def client(service: str, region: str = REGION) -> Any:  # noqa: ANN401  (botocore makes a client's methods at run time)
    """Return a service's client. Parameters are checked here, so the client does not check them."""
    session = _session()
    # Building a user agent for each request takes a tenth of the tests' time.
    config = Config(parameter_validation=False, user_agent="double")
    made = session.client(service, region_name=region, config=config)  # type: ignore[call-overload]  # the stubs list each service's name
    made.meta.events.register_last(f"before-parameter-build.{_hyphens(made)}", _remember)
    made.meta.events.register_first(f"before-call.{_hyphens(made)}", _answer)
    return made


@cache
def _session() -> boto3.Session:
    return boto3.Session(aws_access_key_id="double", aws_secret_access_key="double", region_name=REGION)


def _hyphens(made: Any) -> str:  # noqa: ANN401  (a client, see above)
    return str(made.meta.service_model.service_id.hyphenize())


def _remember(params: dict[str, Any], model: OperationModel, context: dict[str, Any], **_: object) -> None:
    """Keep the request as Python values; ``before-call`` sees only bytes."""
    asked = (model.input_shape, repr(params))
    if asked not in _CHECKED:
        _check(params, model.input_shape, f"request {model.name}")
        documented = request_violations(str(model.service_model.service_name), model.name, params)
        if wrong := [*violations(params, model.input_shape), *documented]:
            raise AssertionError(f"request {model.name} is one that AWS refuses: {'; '.join(wrong)}")
        _CHECKED.add(asked)
    context[_REQUEST] = _copied(params)


def _answer(model: OperationModel, context: dict[str, Any], **_: object) -> tuple[SimpleNamespace, dict[str, Any]]:
    assert ActiveBackend.backend is not None, f"{model.name} was called while no account is there"
    service = str(model.service_model.service_name)
    try:
        answer = ActiveBackend.backend.answer(service, model.name, context[_REQUEST])
    except ApiError as refused:
        parsed, status = refused.to_answer(), refused.status
    else:
        answered = (model.output_shape, repr(answer))
        if not ActiveBackend.skips_response_checks and answered not in _CHECKED:
            _check(answer, model.output_shape, f"answer to {model.name}")
            _CHECKED.add(answered)
        # The answer must not change when the account does.
        parsed, status = _copied(answer), 200
    parsed["ResponseMetadata"] = {"HTTPStatusCode": status, "RequestId": "double", "RetryAttempts": 0}
    return SimpleNamespace(status_code=status, headers={}), parsed


def _copied(value: Any) -> Any:  # noqa: ANN401  (what JSON has, and times)
    """Copy like ``copy.deepcopy``, five times as fast."""
    if isinstance(value, dict):
        return {key: _copied(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_copied(one) for one in value]
    return value


def _check(value: dict[str, Any], shape: Any, what: str) -> None:  # noqa: ANN401  (botocore's shape, or none)
    if shape is None:
        assert not value, f"{what}: the model has none, {value} given"
        return
    report = ParamValidator().validate(value, shape)
    assert not report.has_errors(), f"{what} does not fit AWS's model: {report.generate_report()}"
