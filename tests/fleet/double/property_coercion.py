"""Turns a resource's properties in a template into the request of the API call that creates it.

CloudFormation accepts numbers and booleans as text too and, for ECS, capitalises each member. Anything that is not in
the API's own model is refused here, as CloudFormation's schemas would.
"""

from typing import Any

from tests.fleet.double.api_error import ApiError
from tests.fleet.double.clients import client
from tests.fleet.double.value_limits import violations


def request_from_properties(service: str, operation: str, properties: dict[str, Any]) -> dict[str, Any]:
    """Return the request for an operation; raises ``ApiError`` for an unknown property or an invalid value."""
    shape = client(service).meta.service_model.operation_model(operation).input_shape
    found: dict[str, Any] = _coerced(properties, shape, "")
    if wrong := list(violations(found, shape)):
        raise ApiError("ValidationError", f"Model validation failed ({'; '.join(wrong)})")
    return found


def _coerced(value: Any, shape: Any, path: str) -> Any:  # noqa: ANN401  (any YAML value; botocore's shape)
    kind = shape.type_name
    if kind == "structure":
        members = {name.lower(): name for name in shape.members}
        found = {}
        for key, one in value.items():
            if key.lower() not in members:
                raise ApiError("ValidationError", f"Encountered unsupported property {path}{key}")
            name = members[key.lower()]
            found[name] = _coerced(one, shape.members[name], f"{path}{key}/")
        return found
    if kind == "list":
        if not isinstance(value, list):
            raise ApiError("ValidationError", f"Value of property {path} must be of type List")
        return [_coerced(one, shape.member, path) for one in value]
    if kind == "map":
        return {str(key): _coerced(one, shape.value, path) for key, one in value.items()}
    return _scalar(value, kind, path)


def _scalar(value: Any, kind: str, path: str) -> Any:  # noqa: ANN401  (any YAML value)
    try:
        if kind in ("integer", "long"):
            return int(value)
        if kind in ("float", "double"):
            return float(value)
        if kind == "boolean":
            return {"true": True, "false": False}[str(value).lower()]
    except (KeyError, ValueError, TypeError):
        raise ApiError("ValidationError", f"Value of property {path} must be {kind}, not {value!r}") from None
    if kind == "string" and isinstance(value, (dict, list)):
        raise ApiError("ValidationError", f"Value of property {path} must be of type String")
    return str(value).lower() if isinstance(value, bool) else str(value)
