"""Takes down all that a trial made, and lists what is left. No failure keeps it from the rest."""

from collections.abc import Callable
from typing import Final

from cloudkon.errors import CloudKonError
from tests.aws.interruption import delete_templates, templates
from tests.aws.journal import Trial, find_trials, journal_name
from tests.aws.real_fleet import RealFleet
from tests.aws.service_roles import delete_roles
from tests.aws.verb_roles import delete_role, delete_verb_roles, policies, verb_roles

DOWN_TRIES: Final = 3


def clean_up(fleet: RealFleet, trial: Trial) -> list[str]:
    """Take everything down, with the user's own credentials. Return what is wrong: what failed, and what is left.

    The role with the notes goes last, and only if nothing else is left: it is how a later clean-up finds the rest.
    """
    wrong: list[str] = []

    def attempt(what: str, function: Callable[[], object]) -> None:
        try:
            function()
        except Exception as error:  # noqa: BLE001  (the rest must be taken down whatever this was)
            wrong.append(f"{what}: {error!r}")

    session = fleet.session
    if fleet.is_up:
        attempt("down", lambda: wrong.extend(_take_fleet_down(fleet)))
    attempt("experiments", lambda: delete_templates(session, trial.fleet))
    attempt("service-linked roles", lambda: _delete_service_roles(fleet, trial))
    attempt("roles", lambda: delete_verb_roles(session, trial.fleet))
    attempt("audit", lambda: wrong.extend(f"left: {one}" for one in fleet.left()))
    attempt("audit of experiments", lambda: wrong.extend(f"left: {one}" for one in templates(session, trial.fleet)))
    attempt("audit of roles", lambda: wrong.extend(f"left: role {one}" for one in verb_roles(session, trial.fleet)))
    attempt("audit of policies", lambda: wrong.extend(f"left: {one}" for one in policies(session, trial.fleet)))
    if not wrong:
        attempt("notes", lambda: _close_journal(fleet))
    return wrong


def _take_fleet_down(fleet: RealFleet) -> list[str]:
    errors = []
    for _ in range(DOWN_TRIES):
        try:
            fleet.run_as_user("fleet", "down", "--delete-data", "--yes")
        except CloudKonError as error:
            errors.append(str(error))
        else:
            fleet.is_up = False
            return []
    return errors[-1:]


def _close_journal(fleet: RealFleet) -> None:
    # A trial that failed at once has none.
    if any(one.fleet == fleet.name for one in find_trials(fleet.session)):
        delete_role(fleet.session, journal_name(fleet.name))


def _delete_service_roles(fleet: RealFleet, trial: Trial) -> None:
    for sentence in delete_roles(fleet.session, trial.absent, fleet.pause):
        fleet.report(sentence)
