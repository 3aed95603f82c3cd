"""Slideshows: which pictures each animoto instruction gets."""

import math
import shlex
from collections.abc import Iterator, Sequence

from cloudkon.errors import InvalidInput
from cloudkon.instructions import check


def rotate(links: Sequence[str], jobs: int, pictures: int) -> Iterator[list[str]]:
    """The pictures of each job, ``pictures`` of them, taken from the links in a ring.

    Jobs start as far apart as they are long, or a little more: by a stride that shares no factor with the number of
    links, so that as many jobs as there are links all differ.
    """
    stride = pictures % len(links)
    while math.gcd(stride, len(links)) != 1:
        stride += 1
    for job in range(jobs):
        start = job * stride
        yield [links[(start + offset) % len(links)] for offset in range(pictures)]


def slideshow_instructions(
    links: Sequence[str], jobs: int, pictures: int, options: Sequence[str] = ()
) -> Iterator[str]:
    """An animoto instruction a job; ``options`` stand before the links.

    Raises ``InvalidInput`` at once for numbers below 1, no links, or what the animoto pool would not take.
    """
    for subject, number in (("JOBS", jobs), ("--pictures", pictures)):
        if number < 1:
            raise InvalidInput(f"{subject} {number}", "it must be at least 1")
    if broken := [option for option in options if "\n" in option]:
        remedy = "Describe it in JSON, which has \\n for it: python -m client slideshow FILE"
        raise InvalidInput(f"animoto {broken[0]!r:.60}", "it has a line break, and an instruction is one line", remedy)
    if not links:
        remedy = "Give links, files of links, or folders: python -m client animoto 3 --from photos"
        raise InvalidInput("animoto", "there are no pictures to take", remedy)
    check(_write(options, next(rotate(links, 1, pictures))))
    for start in range(0, len(links), pictures):
        check(_write(options, links[start : start + pictures]))
    return (_write(options, shown) for shown in rotate(links, jobs, pictures))


def _write(options: Sequence[str], links: Sequence[str]) -> str:
    return " ".join(["animoto", *(_quote(word) for word in (*options, *links))])


def _quote(word: str) -> str:
    # Only what the instruction's grammar needs: links full of & and ? stay as they are, to read and to read fast.
    return shlex.quote(word) if not word or any(char.isspace() or char in "'\"\\" for char in word) else word
