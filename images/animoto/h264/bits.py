"""Writes and reads the numbers that H.264 consists of (ITU-T H.264, 7.2 and 9.1)."""

from typing import Self

from .unsupported import Unsupported

_LONGEST_PREFIX = 32
"""Leading zeros of an Exp-Golomb number of 32 bits, the largest in the standard."""


class BitWriter:
    """Collects bits, the most significant first."""

    def __init__(self) -> None:
        """Begin empty."""
        self._value = 0
        self._count = 0

    @classmethod
    def of(cls, payload: bytes, begin: int) -> Self:
        """Copy all bits of a payload from bit ``begin`` on, without the trailing bits (7.3.2.11)."""
        first, before = divmod(begin, 8)
        if not payload or not payload[-1]:
            raise Unsupported("it does not end as a payload does")
        trailing = (payload[-1] & -payload[-1]).bit_length()
        bits = cls()
        bits._count = 8 * (len(payload) - first) - before - trailing
        if bits._count < 0:
            raise Unsupported("it ends before its data")
        bits._value = int.from_bytes(payload[first:], "big") >> trailing & ((1 << bits._count) - 1)
        return bits

    def __len__(self) -> int:
        """The number of bits written."""
        return self._count

    def u(self, bits: int, value: int) -> None:
        """Write an unsigned number with that number of bits."""
        if not 0 <= value < 1 << bits:
            raise ValueError(f"{value} does not fit {bits} bits")
        self._value = self._value << bits | value
        self._count += bits

    def flag(self, value: bool) -> None:
        """Write one bit."""
        self.u(1, int(value))

    def ue(self, value: int) -> None:
        """Write an unsigned Exp-Golomb number (9.1).

        This is the value plus one, after one zero for each of its bits but the first.
        """
        self.u(2 * (value + 1).bit_length() - 1, value + 1)

    def se(self, value: int) -> None:
        """Write a signed Exp-Golomb number (9.1.1): 0, 1, -1, 2, -2 … are coded as 0, 1, 2, 3, 4 …."""
        self.ue(2 * value - 1 if value > 0 else -2 * value)

    def append(self, other: "BitWriter") -> None:
        """Append all the bits of another writer."""
        self.u(len(other), other._value)  # noqa: SLF001  (of the same class)

    def align(self, *, ones: bool) -> None:
        """Fill up to a whole byte."""
        missing = -self._count % 8
        self.u(missing, (1 << missing) - 1 if ones else 0)

    def trail(self) -> None:
        """End a payload with a one and zeros up to a whole byte (rbsp_trailing_bits, 7.3.2.11)."""
        self.u(1, 1)
        self.align(ones=False)

    def to_bytes(self) -> bytes:
        """Return all bits, which must be whole bytes."""
        if self._count % 8:
            raise ValueError(f"{self._count} bits are no whole bytes")
        return self._value.to_bytes(self._count // 8, "big")


class BitReader:
    """Reads what ``BitWriter`` writes; raises ``Unsupported`` where the bits end too early."""

    def __init__(self, data: bytes) -> None:
        """Begin at the first bit."""
        self._value = int.from_bytes(data, "big")
        self._length = len(data) * 8
        self.position = 0
        """In bits."""

    def u(self, bits: int) -> int:
        """Read an unsigned number with that number of bits."""
        self.position += bits
        if self.position > self._length:
            raise Unsupported("it ends within a number")
        return self._value >> (self._length - self.position) & ((1 << bits) - 1)

    def flag(self) -> bool:
        """Read one bit."""
        return self.u(1) == 1

    def ue(self) -> int:
        """Read an unsigned Exp-Golomb number."""
        zeros = 0
        while not self.u(1):
            zeros += 1
            if zeros > _LONGEST_PREFIX:
                raise Unsupported("a number has more than 32 bits")
        return (1 << zeros) - 1 + self.u(zeros)

    def se(self) -> int:
        """Read a signed Exp-Golomb number."""
        code = self.ue()
        return (code + 1) // 2 if code % 2 else -(code // 2)

    def more(self) -> bool:
        """Return whether there is data before the trailing bits (more_rbsp_data, 7.2)."""
        left = self._length - self.position
        rest = self._value & ((1 << left) - 1)
        # The last bit that is set is the trailing one: return whether another bit comes before it.
        return rest & -rest != 1 << (left - 1) if left else False
