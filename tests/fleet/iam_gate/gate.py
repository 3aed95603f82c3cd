"""Stands in front of the double and judges each call by the policies that a person has pasted."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from cloudkon.settings import Settings
from fleet.aws.policies.catalogue import statements_of
from fleet.aws.policies.rendering import Scope, render
from tests.fleet.double.account import Account, Call
from tests.fleet.double.api_error import ApiError
from tests.fleet.iam_gate.call_requests import requests_of
from tests.fleet.iam_gate.judge import Statement, refusals
from tests.fleet.iam_gate.place import Place


def policies_of(verb: str, place: Place, *, delete_data: bool = False, bucket: str = "") -> list[Statement]:
    """Return the statements that ``python -m fleet policy VERB`` prints for a place."""
    settings = Settings(target="aws", fleet=place.fleet, bucket=bucket)
    return render(statements_of(verb, delete_data=delete_data), Scope(settings, place.account, place.region))


class Gate:
    """Refuses what no statement allows, as AWS would, and notes it in ``refused``."""

    def __init__(self, account: Account, place: Place) -> None:
        self.refused: list[str] = []
        self._place = place
        self._statements: Sequence[Statement] | None = None
        account.before = self._judge

    @contextmanager
    def only(self, statements: Sequence[Statement]) -> Iterator[None]:
        """Allow only what these statements allow; all is allowed before and after."""
        self._statements = statements
        try:
            yield
        finally:
            self._statements = None

    def _judge(self, number: int, call: Call) -> None:  # noqa: ARG002  (a hook of the account)
        if self._statements is None:
            return
        for request in requests_of(call.service, call.operation, call.request, self._place):
            for refusal in refusals(self._statements, request):
                self.refused.append(refusal)
                raise ApiError("AccessDeniedException", f"User is not authorized to perform: {refusal}")
