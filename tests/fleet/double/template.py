"""Resolves a CloudFormation template's parameters, conditions and intrinsic functions."""

import base64
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from cfnlint.decode.cfn_yaml import loads  # type: ignore[import-untyped]  # it ships no types

from tests.fleet.double.api_error import ApiError

ABSENT: Final = object()
"""The value of ``AWS::NoValue``: the property is left out."""
Refs = Callable[[str, str], Any]
"""Returns a resource's value by logical id and attribute; the attribute is empty for ``Ref``."""
_PLACE = re.compile(r"\$\{([^!}][^}]*)\}")


class Template:
    """One template. Raises ``ApiError`` with CloudFormation's message for what it would refuse."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.body = _parsed(text)
        self.resources: Mapping[str, Mapping[str, Any]] = self.body["Resources"]

    def parameters(self, given: Mapping[str, str]) -> dict[str, str]:
        """Check given values against the declarations and fill in defaults. All values are strings."""
        declared = self.body.get("Parameters", {})
        if unknown := sorted(set(given) - set(declared)):
            raise ApiError("ValidationError", f"Parameters: {unknown} do not exist in the template")
        values = {name: str(given.get(name, one.get("Default", ABSENT))) for name, one in declared.items()}
        if missing := sorted(name for name, value in values.items() if value == str(ABSENT)):
            raise ApiError("ValidationError", f"Parameters: {missing} must have values")
        for name, value in values.items():
            _check_parameter(name, value, declared[name])
        return values

    def wanted(self, scope: "Scope") -> dict[str, Mapping[str, Any]]:
        """Return the resources whose condition holds, unresolved, by logical id."""
        return {
            name: one
            for name, one in self.resources.items()
            if "Condition" not in one or scope.condition(one["Condition"])
        }

    def dependencies(self, name: str, scope: "Scope") -> set[str]:
        """Return the logical ids that a resource waits for, by ``DependsOn`` or by reference."""
        one, used = self.resources[name], set[str]()
        named = one.get("DependsOn", [])
        used.update([named] if isinstance(named, str) else named)

        def note(logical: str, attribute: str) -> str:
            used.add(logical)
            return f"{logical}.{attribute}"

        scope.resolve(one.get("Properties", {}), note)
        return used & set(self.wanted(scope)) - {name}


@cache
def _parsed(text: str) -> Mapping[str, Any]:
    """Parse a template. Cached, since parsing takes a fifth of a second; nothing changes the result."""
    found: Mapping[str, Any] = loads(text)
    return found


class Scope:
    """One stack's parameters and pseudo-parameters (``AWS::Region`` …) for a template."""

    def __init__(self, template: Template, parameters: Mapping[str, str], pseudo: Mapping[str, str]) -> None:
        self._body = template.body
        self._resources = template.resources
        self.parameters = parameters
        """By name; SSM parameters are resolved already."""
        self._pseudo = pseudo

    def condition(self, name: str) -> bool:
        """Whether a condition of the template holds."""
        return bool(self._condition(self._body["Conditions"][name]))

    def resolve(self, value: Any, refs: Refs) -> Any:  # noqa: ANN401  (any YAML value)
        """Replace every intrinsic function in a value by its result."""
        if isinstance(value, Mapping):
            if len(value) == 1:
                ((function, argument),) = value.items()
                if function in ("Ref", "Condition") or function.startswith("Fn::"):
                    return self._function(function, argument, refs)
            found = {str(key): self.resolve(one, refs) for key, one in value.items()}
            return {key: one for key, one in found.items() if one is not ABSENT}
        if isinstance(value, list):
            return [one for one in (self.resolve(each, refs) for each in value) if one is not ABSENT]
        return str(value) if isinstance(value, str) else value

    def _function(self, name: str, argument: Any, refs: Refs) -> Any:  # noqa: ANN401, PLR0911  (any YAML value; a case each)
        if name == "Ref":
            return self._ref(str(argument), refs)
        if name == "Fn::GetAtt":
            parts = argument.split(".", 1) if isinstance(argument, str) else argument
            return refs(str(parts[0]), str(parts[1]))
        if name == "Fn::Sub":
            return self._sub(argument, refs)
        if name == "Fn::If":
            return self.resolve(argument[1] if self.condition(argument[0]) else argument[2], refs)
        values = self.resolve(argument, refs)
        if name == "Fn::Join":
            return values[0].join(str(one) for one in values[1])
        if name == "Fn::Select":
            return values[1][int(values[0])]
        if name == "Fn::Split":
            return values[1].split(values[0])
        assert name == "Fn::Base64", f"the double does not know {name}"
        return base64.b64encode(values.encode()).decode()

    def _ref(self, name: str, refs: Refs) -> Any:  # noqa: ANN401  (a string, a list, or ABSENT)
        if name == "AWS::NoValue":
            return ABSENT
        if name in self._pseudo:
            return self._pseudo[name]
        if name not in self.parameters:
            return refs(name, "")
        kind = self._body["Parameters"][name]["Type"]
        value = self.parameters[name]
        if kind == "CommaDelimitedList" or kind.startswith("List<"):
            return [one.strip() for one in value.split(",")] if value else []
        return value

    def _sub(self, argument: Any, refs: Refs) -> str:  # noqa: ANN401  (a text, or a text and a mapping)
        text, own = (argument, {}) if isinstance(argument, str) else argument
        known = {key: self.resolve(value, refs) for key, value in own.items()}

        def replaced(match: re.Match[str]) -> str:
            name = match[1].strip()
            if name in known:
                return str(known[name])
            if "." in name and name.split(".")[0] in self._resources:
                return str(refs(*name.split(".", 1)))
            return str(self._ref(name, refs))

        return _PLACE.sub(replaced, text).replace("${!", "${")

    def _condition(self, value: Any) -> bool:  # noqa: ANN401  (any YAML value)
        ((function, argument),) = value.items()
        if function == "Condition":
            return self.condition(argument)
        if function == "Fn::Not":
            return not self._condition(argument[0])
        if function == "Fn::And":
            return all(self._condition(one) for one in argument)
        if function == "Fn::Or":
            return any(self._condition(one) for one in argument)
        assert function == "Fn::Equals", f"the double does not know {function}"
        left, right = (self.resolve(one, _no_resource) for one in argument)
        return str(left) == str(right)


def _no_resource(logical: str, attribute: str) -> str:
    raise ApiError("ValidationError", f"Template error: a condition uses resource {logical} {attribute}")


def _check_parameter(name: str, value: str, declared: Mapping[str, Any]) -> None:
    if "AllowedValues" in declared and value not in {_plain(one) for one in declared["AllowedValues"]}:
        raise ApiError("ValidationError", f"Parameter '{name}' must be one of AllowedValues")
    if "AllowedPattern" in declared and not re.fullmatch(declared["AllowedPattern"], value):
        raise ApiError("ValidationError", f"Parameter '{name}' must match pattern {declared['AllowedPattern']}")
    if declared["Type"] == "Number":
        try:
            number = float(value)
        except ValueError:
            raise ApiError("ValidationError", f"Parameter '{name}' must be a number.") from None
        if not float(declared.get("MinValue", number)) <= number <= float(declared.get("MaxValue", number)):
            raise ApiError("ValidationError", f"Parameter '{name}' must be a number in its bounds")


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
