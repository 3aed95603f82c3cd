"""Writes the instructions of several slideshows, and distributes the pictures among them."""

import math
import shlex
from collections.abc import Iterator, Sequence

from cloudkon.errors import InvalidInput
from cloudkon.instructions import check
from cloudkon.programs import command


def rotate(links: Sequence[str], jobs: int, pictures: int) -> Iterator[list[str]]:
    """Yield ``pictures`` links per job, and start again with the first link after the last.

    The stride from one job's first link to the next job's is ``pictures`` or a little more: it shares no factor with
    the number of links, so that up to ``len(links)`` jobs all differ.
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
    """Return one animoto instruction per job, with ``options`` before the links.

    Raises ``InvalidInput`` at once for numbers below 1, for no links, and for what the animoto handler would refuse.
    """
    for subject, number in (("JOBS", jobs), ("--pictures", pictures)):
        if number < 1:
            raise InvalidInput(f"{subject} {number}", "it must be at least 1")
    if broken := [option for option in options if "\n" in option]:
        remedy = f"Use JSON, where it is \\n: {command('client slideshow FILE')}"
        reason = "it has a line break, but an instruction is one line"
        raise InvalidInput(f"animoto {broken[0]!r:.60}", reason, remedy)
    if not links:
        remedy = f"Give links, files of links, or folders: {command('client animoto 3 --from photos')}"
        raise InvalidInput("animoto", "no pictures are given", remedy)
    check(_write(options, next(rotate(links, 1, pictures))))
    for start in range(0, len(links), pictures):
        check(_write(options, links[start : start + pictures]))
    return (_write(options, job_links) for job_links in rotate(links, jobs, pictures))


def _write(options: Sequence[str], links: Sequence[str]) -> str:
    return " ".join(["animoto", *(_quote(word) for word in (*options, *links))])


def _quote(word: str) -> str:
    # Quote only what the instruction's grammar requires: links with & and ? stay readable and are parsed faster.
    return shlex.quote(word) if not word or any(char.isspace() or char in "'\"\\" for char in word) else word
