"""Implements ``python -m fleet policy``: prints the IAM policies that a verb needs."""

import json
from dataclasses import replace

import click
import trio

from cloudkon.errors import CloudKonError, InvalidInput
from cloudkon.settings import ACCOUNT_NUMBER, Settings

from ..aws.policies.catalogue import ANY, statements_of
from ..aws.policies.splitting import MOST_PER_ROLE, Document, characters, compact, split
from ..aws.resources.names import check_fleet
from .output import json_option, print_result
from .runner import report


@click.command()
@click.argument("verb", metavar="VERB")
@click.option("--fleet", "name", default="", help="For this fleet.  [default: CLOUDKON_FLEET]")
@click.option("--delete-data", is_flag=True, help="With down: also what down --delete-data needs.")
@click.option("--account", default="", help="For this account, or * for any.  [default: the credentials' one]")
@click.option("--region", default="", help="For this region, or * for any.  [default: AWS_REGION or the profile's]")
@click.option("--split", "one_a_line", is_flag=True, help="Print each policy on a line of its own, for scripts.")
@json_option
def policy(
    verb: str, name: str, account: str, region: str, *, delete_data: bool, one_a_line: bool, as_json: bool
) -> None:
    """Print the IAM policies that a person needs for VERB on target aws.

    VERB is up, deploy, autoscale, publish, scale, status, logs, down or, for all of python -m client, client. Each
    policy is within the size of a managed policy, so a verb may need several. Without credentials they are valid in any
    account.
    """
    from ..aws.policies.rendering import Scope, render  # noqa: PLC0415  (boto3 takes longer to load than --help)

    statements = statements_of(verb, delete_data=delete_data)
    settings = replace(Settings.from_environment(), target="aws")
    if name:
        settings = replace(settings, fleet=name)
        settings.check()
    # Before anybody is asked for credentials.
    check_fleet(settings, f"Choose another name {'with --fleet' if name else 'in CLOUDKON_FLEET'}")
    policies = split(render(statements, Scope(settings, *_account_and_region(settings, account, region))))
    names = [f"{settings.fleet}-{verb}-{number}" for number in range(1, len(policies) + 1)]
    report(_summary(policies))
    if as_json:
        rows = [
            {"name": one, "characters": characters(document), "document": document}
            for one, document in zip(names, policies, strict=True)
        ]
        print_result({"policies": rows}, as_json=True)
        return
    texts = [compact(one) if one_a_line else json.dumps(one, indent=2) for one in policies]
    print_result({}, *"\n".join(texts).splitlines(), as_json=False)


def _account_and_region(settings: Settings, account: str, region: str) -> tuple[str, str]:
    """Return what the policies are for. What is not given comes from the credentials, if there are any."""
    from cloudkon.aws.partition import partition_of  # noqa: PLC0415  (boto3, see above)

    if account not in ("", ANY) and not ACCOUNT_NUMBER.fullmatch(account):
        raise InvalidInput(f"account {account!r:.60}", "it is not twelve digits", "Fix --account, or leave it out")
    region = region or settings.region
    if region not in ("", ANY):
        partition_of(region)
    if account and region:
        return account, region
    known = _from_credentials(replace(settings, region="" if region == ANY else region))
    return account or known[0], region or known[1]


def _from_credentials(settings: Settings) -> tuple[str, str]:
    """Return the account and the region of the credentials, or ``*`` for what can't be found out."""
    from cloudkon.aws import Connection  # noqa: PLC0415  (boto3, see above)
    from cloudkon.aws.account import find_account  # noqa: PLC0415

    async def find() -> tuple[str, str]:
        connection = Connection(settings)
        try:
            found = await connection.call(find_account, connection)
        except CloudKonError as error:
            report(f"the account is not known, so the policies are valid in any account: {error}")
            return ANY, settings.region or ANY
        return found.number, found.region

    return trio.run(find)


def _summary(policies: list[Document]) -> str:
    sizes = ", ".join(f"{characters(one):,}" for one in policies)
    count = "1 policy" if len(policies) == 1 else f"{len(policies)} policies"
    return f"{count} ({sizes} characters); a role takes {MOST_PER_ROLE} managed policies by default"
