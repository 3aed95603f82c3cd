"""Explains why Auto Scaling could not launch an instance, and whether waiting helps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cloudkon.programs import command

from .preflights.volume_key import DOCUMENT as KEY_POLICY

FREE_TIER_WORDS: Final = "not eligible for Free Tier"
"""EC2's refusal on the free plan: "The specified instance type is not eligible for Free Tier"."""


@dataclass(frozen=True, slots=True)
class LaunchFailure:
    """A failed launch in words for the user. ``permanent``: the next try will fail too."""

    text: str
    permanent: bool = False


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of failure, by words that EC2's message has (Error codes for the Amazon EC2 API)."""

    words: tuple[str, ...]
    remedy: str
    permanent: bool = True


KINDS: Final = (
    _Kind(
        ("InsufficientInstanceCapacity", "do not have sufficient", "UnfulfillableCapacity"),
        "EC2 has no capacity at the moment; more --instance-types or another subnet may help",
        permanent=False,
    ),
    _Kind(
        (FREE_TIER_WORDS,),
        "this account is on AWS's free plan; give --instance-types that it allows{types}, or upgrade to the paid plan",
    ),
    # The documented sign of a key that Auto Scaling's role may not use (EC2 Auto Scaling User Guide, Troubleshoot:
    # EC2 instance launch failures); the second is what EC2 says today.
    _Kind(
        ("Client error on launch", "InvalidKMSKey"),
        "the key that this account encrypts volumes with is disabled, or its policy does not let Auto Scaling's role "
        f"use it: {KEY_POLICY}",
    ),
    _Kind(
        ("VolumeLimitExceeded",),
        "the account's quota of gp3 storage is used up; request an increase in Service Quotas (Amazon EBS)",
    ),
    _Kind(
        ("InvalidAMIID", "The image id"),
        f"AWS has withdrawn that AMI; take the newest one with: {command('fleet up')}",
    ),
    _Kind(
        ("PendingVerification",),
        "AWS verifies a new account, mostly within minutes and at most in four hours; then scale again",
    ),
    _Kind(("Blocked:", "account is currently blocked"), "AWS has blocked this account; ask AWS Support"),
)
QUOTA: Final = _Kind(
    (
        *("VcpuLimitExceeded", "vCPU limit", "InstanceLimitExceeded"),
        *("MaxSpotInstanceCountExceeded", "Max spot instance count exceeded"),
    ),
    "the account's vCPU quota is used up; request an increase in Service Quotas, or scale to fewer",
)


def explain_launch_failure(reason: str, free_tier: Sequence[str] = (), *, leaving: bool = False) -> LaunchFailure:
    """Return what Auto Scaling's reason means and what the user can do about it.

    ``free_tier``: the types that the free plan allows. ``leaving``: whether instances are ending, which frees quota.
    """
    kind = next((one for one in (QUOTA, *KINDS) if any(words in reason for words in one.words)), None)
    if kind is None:
        return LaunchFailure(f"no capacity: {reason.rstrip('.')} (the group keeps trying)")
    types = f" ({', '.join(free_tier)})" if free_tier else ""
    subject = "no capacity" if kind is QUOTA or not kind.permanent else "no instance can start"
    text = f"{subject}: {reason.rstrip('.')} ({kind.remedy.replace('{types}', types)})"
    return LaunchFailure(text, permanent=kind.permanent and not (kind is QUOTA and leaving))
