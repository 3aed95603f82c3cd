import pytest
from hypothesis import given
from hypothesis import strategies as st

from images.animoto.h264.bits import BitReader, BitWriter
from images.animoto.h264.nal import Nal, StreamSplitter
from images.animoto.h264.unsupported import Unsupported

UNSIGNED = st.tuples(st.just("ue"), st.integers(0, 2**32 - 2))
SIGNED = st.tuples(st.just("se"), st.integers(-(2**31) + 1, 2**31 - 1))
FIXED = st.integers(1, 40).flatmap(lambda bits: st.tuples(st.just(f"u{bits}"), st.integers(0, 2**bits - 1)))


@given(st.lists(st.one_of(UNSIGNED, SIGNED, FIXED), max_size=40))
def test_written_numbers_are_read_back(numbers: list[tuple[str, int]]) -> None:
    writer = BitWriter()
    for kind, value in numbers:
        if kind[0] == "u" and kind != "ue":
            writer.u(int(kind[1:]), value)
        else:
            getattr(writer, kind)(value)
    writer.trail()
    reader = BitReader(writer.to_bytes())
    for kind, value in numbers:
        assert reader.more()
        found = reader.u(int(kind[1:])) if kind[0] == "u" and kind != "ue" else getattr(reader, kind)()
        assert found == value
    assert not reader.more()


@given(st.lists(st.integers(0, 1), max_size=60), st.integers(0, 60))
def test_bits_are_copied_from_any_position(numbers: list[int], begin: int) -> None:
    writer = BitWriter()
    for one in numbers:
        writer.u(1, one)
    writer.trail()
    payload = writer.to_bytes()
    if begin > len(numbers):
        with pytest.raises(Unsupported, match="ends before"):
            BitWriter.of(payload, begin)
        return
    copied = BitWriter.of(payload, begin)
    assert len(copied) == len(numbers) - begin
    copied.trail()
    reader = BitReader(copied.to_bytes())
    assert [reader.u(1) for _ in numbers[begin:]] == numbers[begin:]


def test_payload_without_trailing_bits_is_refused() -> None:
    for payload in (b"", b"\x80\0"):
        with pytest.raises(Unsupported, match="does not end"):
            BitWriter.of(payload, 0)


@pytest.mark.parametrize(
    ("value", "bits"),
    # Table 9-2 of the standard, and the first rows of its table 9-3.
    [(0, "1"), (1, "010"), (2, "011"), (3, "00100"), (6, "00111"), (7, "0001000"), (9, "0001010")],
)
def test_numbers_are_coded_as_in_the_standard_s_table(value: int, bits: str) -> None:
    writer = BitWriter()
    writer.ue(value)
    assert len(writer) == len(bits)
    writer.align(ones=False)
    assert writer.to_bytes() == int(bits.ljust(8, "0"), 2).to_bytes(1, "big")
    signed = BitWriter()
    signed.se(-(value // 2) if value % 2 == 0 else (value + 1) // 2)
    signed.align(ones=False)
    assert signed.to_bytes() == writer.to_bytes()


def test_bits_that_end_early_are_refused() -> None:
    with pytest.raises(Unsupported, match="ends within"):
        BitReader(b"\0").ue()
    with pytest.raises(Unsupported, match="32 bits"):
        BitReader(bytes(9)).ue()
    with pytest.raises(ValueError, match="does not fit"):
        BitWriter().u(3, 8)


PAYLOADS = st.lists(st.sampled_from([0, 0, 0, 1, 2, 3, 4, 255]), min_size=1, max_size=60).map(bytes)


@given(PAYLOADS)
def test_nal_unit_contains_no_start_code_and_is_read_back(payload: bytes) -> None:
    data = Nal(1, 2, payload).to_bytes()
    assert all(code not in data for code in (b"\0\0\0", b"\0\0\1", b"\0\0\2"))
    assert not data.endswith(b"\0\0")
    assert Nal.of(data) == Nal(1, 2, payload)


@given(st.lists(PAYLOADS, min_size=1, max_size=6), st.integers(1, 30), st.booleans())
def test_stream_is_split_whatever_the_pieces(payloads: list[bytes], piece: int, long_codes: bool) -> None:
    # A payload's last byte contains the trailing one bit, so it is never zero.
    units = [Nal(5, 3, payload + b"\x80") for payload in payloads]
    code = b"\0\0\0\1" if long_codes else b"\0\0\1"
    stream = b"".join(code + unit.to_bytes() for unit in units)
    splitter = StreamSplitter()
    found = [unit for at in range(0, len(stream), piece) for unit in splitter.feed(stream[at : at + piece])]
    assert [*found, *splitter.end()] == units
