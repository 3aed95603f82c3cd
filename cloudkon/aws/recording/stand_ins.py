"""Replaces private words in texts by stand-ins: the same word by the same one, as long as the key is the same.

A stand-in has the form of what it replaces: an account number has twelve digits, an address stays an address. It comes
from a keyed hash, so that nobody without the key can find the word by trying all.
"""

import hashlib
import re
from collections.abc import Iterable
from typing import Final

from cloudkon.aws.recording.vocabulary import ENGLISH, WORDS

MOST_SEEN: Final = 100_000
"""Private words that are remembered, to be found in sentences. Later ones are replaced only where names stand."""
LEAST_SEEN_LETTERS: Final = 3
"""Shorter words stand in sentences by chance."""
LONGEST_COUNT: Final = 9
"""Digits from which a number may be a person's or a contract's. Those that are moments stay."""
_MOMENT: Final = re.compile(r"1[5-9]\d{8}(?:\d{3})?")
"""Epoch seconds or milliseconds of this time, such as when a message was sent."""
_TOKEN: Final = re.compile(
    r"""
      (?P<kept> (?<![\w.-]) (?: [a-z]{1,4}\d[a-z0-9-]*\.(?:nano|micro|small|medium|\d*x?large|metal(?:-\w+)?)
              | [a-z]{2,3}(?:-[a-z]+){1,3}-\d[a-z]?                                          # a region or a zone
              | AWS::[\w:]+
              | \d{4}-\d\d-\d\d(?:T[\d:.]+(?:Z|[+-]\d\d:?\d\d)?)?                             # a date
              | L-[0-9A-F]{8} ) (?![\w-]) )                                                  # a quota
    | (?P<query> (?<=[\w/=])\?[\w.%+~-]+=[^\s'"<>]* )
    | (?P<mail> [\w.%+-]+@[\w-]+(?:\.[\w-]+)+ )
    | (?P<access> (?<![A-Za-z0-9]) (?:AKIA|ASIA|AROA|AIDA|AGPA|ANPA|ABIA|ACCA)[A-Z0-9]{12,124} )
    | (?P<uuid> [0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12} )
    | (?P<id> (?<![A-Za-z0-9])[a-z]{1,12}-(?:[0-9a-f]{17}|[0-9a-f]{8})(?![A-Za-z0-9]) )
    | (?P<ip> (?<!\d)(?<!\d\.)(?:\d{1,3}[.-]){3}\d{1,3}(?!\.?\d) )
    | (?P<ipv6> (?<![\w:.])(?=[0-9a-fA-F:]*::|(?:[0-9a-fA-F]+:){7})[0-9a-fA-F:]{3,39}(?![\w:]) )
    | (?P<account> (?<![A-Za-z0-9])\d{12}(?![A-Za-z0-9]) )
    | (?P<hex> (?<![A-Za-z0-9])(?=[0-9a-fA-F]*\d)(?=\d*[a-fA-F])[0-9a-fA-F]{16,}(?![A-Za-z0-9]) )
    | (?P<word> [^\W_]+ )
    """,
    re.VERBOSE,
)
_PART: Final = re.compile(r"[^\s'\"`()\[\]{},;<>|]+")
"""A sentence's words, with what is written in one word: a link, an ARN, a path."""
_PLAIN: Final = re.compile(r"[A-Za-z]+(?:-[A-Za-z]+)*")
"""A word as English has it, or a name that AWS made of words: ``ResourceInitializationError``."""
_ACTION: Final = re.compile("[A-Z][a-z]+[A-Za-z]+")
"""An action in IAM's words, after its service."""
_QUOTES: Final = ("'", '"', "`")
_PUBLIC_ADDRESSES: Final = ("0.", "127.", "169.254.", "255.")
"""Addresses that mean the same everywhere."""
_CAMEL: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


class StandIns:
    """Replaces words, with one key. All methods can be called by many threads."""

    def __init__(self, key: bytes, public: Iterable[str] = ()) -> None:
        """``public``: words that stay, besides the vocabulary of AWS and CloudKon."""
        self._key = key
        public = frozenset(public)
        self._names = public
        self._public = WORDS | {word.lower() for text in public for word in re.findall(r"[^\W_]+", text)}
        self._seen: set[str] = set()

    def name(self, text: str) -> str:
        """Return a name, an ARN or an address without private words: what is not public is replaced word by word."""
        return _TOKEN.sub(self._replaced, text)

    def sentence(self, text: str) -> str:
        """Return a sentence without ids, addresses, quoted names, and the private words that any name had before."""
        return _PART.sub(lambda found: self._part(found, text), text)

    def hidden(self, value: str | bytes) -> str:
        """Return a stand-in for a whole content; it tells the content's length only."""
        content = value.encode(errors="surrogatepass") if isinstance(value, str) else value
        return f"hidden-{self._digest(content)[:8]}-{len(value)}"

    def _part(self, found: "re.Match[str]", text: str) -> str:
        part = found[0].rstrip(".:!?")
        rest = found[0][len(part) :]
        quoted = text[found.start() - 1 : found.start()] in _QUOTES and text[found.end() : found.end() + 1] in _QUOTES
        service, _, action = part.partition(":")
        if service in self._public and _ACTION.fullmatch(action):
            return found[0]
        if quoted or not _PLAIN.fullmatch(part):
            return self.name(part) + rest
        return "-".join(self._word(one) if one.lower() in self._seen else one for one in part.split("-")) + rest

    def _replaced(self, found: "re.Match[str]") -> str:
        kind, text = found.lastgroup, found[0]
        if kind == "kept" or text in self._names:
            return text
        if kind == "word":
            return self._word(text)
        if kind == "ip" and text.startswith(_PUBLIC_ADDRESSES):
            return text
        digest = self._digest(text.encode(errors="surrogatepass"))
        return {
            "query": lambda: f"?hidden={digest[:8]}",
            "mail": lambda: f"person-{digest[:8]}@example.com",
            "access": lambda: text[:4] + digest[:16].upper(),
            "uuid": lambda: "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:32])),
            "id": lambda: self._resource_id(text, digest),
            # 240.0.0.0/4 is reserved: nobody has such an address (RFC 1112, 4).
            "ip": lambda: ("-" if "-" in text else ".").join(
                ("240", *(str(int(digest[place : place + 2], 16)) for place in (0, 2, 4)))
            ),
            # The prefix of documentation (RFC 3849).
            "ipv6": lambda: f"2001:db8::{digest[:4]}:{digest[4:8]}",
            "account": lambda: f"000000{int(digest[:12], 16) % 1_000_000:06}",
            "hex": lambda: (digest * (len(text) // len(digest) + 1))[: len(text)],
        }[kind or "hex"]()

    def _resource_id(self, text: str, digest: str) -> str:
        prefix, _, number = text.rpartition("-")
        shown = prefix if prefix in self._public or len(prefix) <= 4 else f"x{self._digest(prefix.encode())[:4]}"  # noqa: PLR2004  (igw, rtb, vpce)
        return f"{shown}-{digest[: len(number)]}"

    def _word(self, text: str) -> str:
        if text.isascii() and text.isdigit():
            return text if len(text) < LONGEST_COUNT or _MOMENT.fullmatch(text) else self._number(text)
        low = text.lower()
        if low in self._public or len(low) == 1:
            return text
        # ``AnimotoTaskRole``, as a template's and AWS's own names are written.
        if text.isalpha() and text.isascii() and all(part.lower() in self._public for part in _CAMEL.findall(text)):
            return text
        if len(low) >= LEAST_SEEN_LETTERS and len(self._seen) < MOST_SEEN and low not in ENGLISH:
            self._seen.add(low)
        return f"x{self._digest(text.encode(errors='surrogatepass'))[:8]}"

    def _number(self, text: str) -> str:
        return str(int(self._digest(text.encode()), 16))[: len(text)]

    def _digest(self, content: bytes) -> str:
        return hashlib.blake2b(content, key=self._key, digest_size=16).hexdigest()
