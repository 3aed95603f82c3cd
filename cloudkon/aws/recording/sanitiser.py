"""Rewrites a request or an answer so that it shows how AWS behaved, and nothing about whom it belongs to.

What is kept is listed; all else is replaced. botocore's model says which strings are of an enumeration. A few members
hold AWS's sentences, in which private words are searched for. All other strings are names, of which only public words
stay; contents (messages, items, tokens, objects, user data) are replaced as a whole.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from cloudkon.aws.recording.stand_ins import StandIns

HIDDEN: Final = (
    *("token", "secret", "password", "userdata", "body", "credential", "receipthandle", "signature", "policydocument"),
    *("policytext", "stringvalue", "binaryvalue", "stringlistvalue", "encryptioncontext", "ssecustomerkey"),
)
"""Parts of the names, in small letters, of members whose values are contents. Numbers and booleans are kept."""
CONTENTS: Final = frozenset(
    {("OutputLogEvent", "message"), ("FilteredLogEvent", "message"), ("Metadata", ""), ("FilterLogEventsRequest", "")}
)
"""Members by their structure: what workers print."""
SENTENCES: Final = ("message", "reason", "description", "cause", "details", "statusmessage", "reasondata")
"""Ends of the names of members that hold sentences of AWS."""
OURS: Final = frozenset(
    {
        *("ParameterKey", "OutputKey", "LogicalResourceId", "ResourceType", "MetricName", "Namespace", "Statement"),
        *("KeyConditionExpression", "ConditionExpression", "UpdateExpression", "ProjectionExpression", "Stat"),
    }
)
"""Members with words of the templates and of the code, which are public."""
LONGEST_NAME: Final = 2048
"""Characters. A longer name (S3's longest has 1,024) is a content."""
MOST_DEPTH: Final = 40
META: Final = ("HTTPStatusCode", "RetryAttempts")
"""What is kept of the facts about a response."""


class Sanitiser:
    """Rewrites the values of one operation after the other."""

    def __init__(self, stand_ins: StandIns) -> None:
        """``stand_ins`` replace the words."""
        self._stand_ins = stand_ins

    def request(self, params: Mapping[str, Any], model: OperationModel) -> Any:  # noqa: ANN401  (JSON)
        """Return a request's parameters, fit for JSON."""
        return self._value(dict(params), model.input_shape, "", "", 0)

    def answer(self, parsed: Mapping[str, Any], model: OperationModel) -> dict[str, Any]:
        """Return a parsed answer, or a parsed error, fit for JSON, without the facts about the response."""
        rest = {key: value for key, value in parsed.items() if key not in ("ResponseMetadata", "Error")}
        found: dict[str, Any] = self._value(rest, model.output_shape, "", "", 0)
        if isinstance(error := parsed.get("Error"), Mapping):
            found["Error"] = {
                "Code": str(error.get("Code", "")),
                "Message": self._stand_ins.sentence(str(error.get("Message", ""))),
            }
        return found

    def sentence(self, text: str) -> str:
        """Return a sentence without private words."""
        return self._stand_ins.sentence(text)

    def _value(self, value: Any, shape: Shape | None, member: str, parent: str, depth: int) -> Any:  # noqa: ANN401  (any value)
        if isinstance(value, str):
            return self._text(value, shape, member, parent)
        if isinstance(value, int | float | None):
            return value if shape is None or "sensitive" not in shape.metadata else None
        if isinstance(value, datetime):
            return value.isoformat()
        if depth < MOST_DEPTH and isinstance(value, Mapping):
            return self._mapping(value, shape, member, depth + 1)
        if depth < MOST_DEPTH and isinstance(value, list | tuple):
            inner = shape.member if isinstance(shape, ListShape) else None
            return [self._value(one, inner, member, parent, depth + 1) for one in value]
        # Anything else may be a file or a stream, which must not be read.
        return self._stand_ins.hidden(bytes(value)) if isinstance(value, bytes | bytearray) else "hidden"

    def _mapping(self, value: Mapping[Any, Any], shape: Shape | None, member: str, depth: int) -> dict[str, Any]:
        if isinstance(shape, StructureShape):
            known: Mapping[str, Shape] = shape.members
            return {
                # A key that the model lacks came from a caller, and may be anything.
                str(key) if key in known else self._stand_ins.name(str(key)): self._value(
                    one, known.get(key), str(key), shape.name, depth
                )
                for key, one in value.items()
            }
        inner = shape.value if isinstance(shape, MapShape) else None
        enum = _enum(shape.key) if isinstance(shape, MapShape) else ()
        # Of a map's values, such as a queue's attributes, the key is the name, unless somebody chose it.
        return {
            str(key) if key in enum else self._stand_ins.name(str(key)): self._value(
                one, inner, str(key) if shape is None or key in enum else member, shape.name if shape else member, depth
            )
            for key, one in value.items()
        }

    def _text(self, text: str, shape: Shape | None, member: str, parent: str) -> str:
        if text in _enum(shape) or member in OURS or not text:
            return text
        low = member.lower()
        secret = shape is not None and "sensitive" in shape.metadata
        if secret or (len(text) > LONGEST_NAME and not low.endswith(SENTENCES)):
            return self._stand_ins.hidden(text)
        if (parent, member) in CONTENTS or (parent, "") in CONTENTS or any(word in low for word in HIDDEN):
            return self._stand_ins.hidden(text)
        return self._stand_ins.sentence(text) if low.endswith(SENTENCES) else self._stand_ins.name(text)


def _enum(shape: Shape | None) -> list[str] | tuple[()]:
    found: list[str] | tuple[()] = shape.metadata.get("enum", ()) if shape else ()
    return found
