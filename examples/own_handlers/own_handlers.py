"""Handlers of one's own: ``primes LIMIT`` counts the primes below a limit."""  # noqa: INP001  (one module is the package)

from cloudkon.errors import InvalidInstruction
from cloudkon.handler import Context

LARGEST = 100_000_000
"""A byte a number: this much is 100 MB of memory."""


def primes(arguments: str, context: Context) -> str:
    """Count the primes below the limit; the output is their number.

    A plain function: it runs in a process of its own, so that it may use a core for as long as it needs. Raises
    ``InvalidInstruction`` for what no further attempt could mend.
    """
    try:
        limit = int(arguments)
    except ValueError:
        raise InvalidInstruction("primes", f"{arguments!r} is no number", "Write it as: primes 1000000") from None
    if not 0 <= limit <= LARGEST:
        raise InvalidInstruction("primes", f"{limit} is not in 0 to {LARGEST}", "Write it as: primes 1000000")
    context.log.info("counting", limit=limit)
    return str(_count_primes(limit))


def _count_primes(limit: int) -> int:
    """The sieve of Eratosthenes: strike out all multiples of what is left."""
    is_prime = bytearray([1]) * limit
    is_prime[:2] = bytes(min(2, limit))
    for number in range(2, int(limit**0.5) + 1):
        if is_prime[number]:
            multiples = range(number * number, limit, number)
            is_prime[multiples.start :: number] = bytes(len(multiples))
    return sum(is_prime)
