"""Asks for the account's VPC Block Public Access."""

from ..resources.block_public_access import OFF, BlockPublicAccess, excluded_ids
from .inquiry import Inquiry


async def find_public_access(inquiry: Inquiry) -> BlockPublicAccess:
    """Return what the account blocks in this region; nothing if that, or what is excluded, is not known."""
    answer = await inquiry.call("ec2", "describe_vpc_block_public_access_options")
    mode = (answer or {}).get("VpcBlockPublicAccessOptions", {}).get("InternetGatewayBlockMode", OFF)
    if mode == OFF:
        return BlockPublicAccess()
    found = await inquiry.call("ec2", "describe_vpc_block_public_access_exclusions")
    if found is None or found.get("NextToken"):
        return BlockPublicAccess()
    return BlockPublicAccess(mode, excluded_ids(found.get("VpcBlockPublicAccessExclusions", [])))
