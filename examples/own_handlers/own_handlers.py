"""Runs ``primes LIMIT``: counts the primes below a limit."""  # noqa: INP001  (one module is the package)

from cloudkon.handler import Context, InvalidInstruction

LARGEST = 100_000_000
"""Largest limit: the sieve needs a byte a number, which is 100 MB of memory."""


def primes(arguments: str, context: Context) -> str:
    """Count the primes below the limit; the output is their number.

    This is a plain function. It runs in its own process, so it may use a core for as long as it needs. It raises
    ``InvalidInstruction`` if another attempt would fail in the same way.
    """
    try:
        limit = int(arguments)
    except ValueError:
        raise InvalidInstruction("primes", f"{arguments!r} is not a number", "Write it as: primes 1000000") from None
    if not 0 <= limit <= LARGEST:
        raise InvalidInstruction("primes", f"{limit} is not in 0 to {LARGEST}", "Write it as: primes 1000000")
    context.log.info("counting", limit=limit)
    return str(_count_primes(limit))


def _count_primes(limit: int) -> int:
    """Sieve of Eratosthenes: strike out the multiples of each number that is left."""
    is_prime = bytearray([1]) * limit
    is_prime[:2] = bytes(min(2, limit))
    for number in range(2, int(limit**0.5) + 1):
        if is_prime[number]:
            multiples = range(number * number, limit, number)
            is_prime[multiples.start :: number] = bytes(len(multiples))
    return sum(is_prime)
