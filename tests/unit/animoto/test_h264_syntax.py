import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from images.animoto.h264.bits import BitReader, BitWriter
from images.animoto.h264.levels import level_of
from images.animoto.h264.motion import AFTER, BEFORE, MacroblockMotion, Neighbours, Vector, moved
from images.animoto.h264.nal import Nal
from images.animoto.h264.pps import Pps
from images.animoto.h264.slice_data import moving, skipped
from images.animoto.h264.slice_header import Deblocking, SliceHeader, SliceKind, read_slice
from images.animoto.h264.sps import Sps
from images.animoto.h264.unsupported import Unsupported

SEQUENCES = st.builds(
    Sps,
    level=st.integers(10, 62),
    frame_num_bits=st.integers(4, 16),
    order_bits=st.integers(4, 16),
    references=st.integers(0, 16),
    width=st.integers(1, 256),
    height=st.integers(1, 256),
    crop=st.tuples(*[st.integers(0, 7)] * 4),
)
PICTURES = st.builds(
    Pps,
    number=st.integers(0, 255),
    cabac=st.booleans(),
    implicit_weights=st.booleans(),
    first_qp=st.integers(0, 51),
    chroma_qp=st.integers(-12, 12),
    deblocking_control=st.booleans(),
    constrained_intra=st.booleans(),
    second_chroma_qp=st.integers(-12, 12),
    large_transforms=st.booleans(),
)


@given(SEQUENCES, st.integers(1, 120), st.integers(0, 2))
def test_sequence_parameter_sets_are_read_back(sps: Sps, fps: int, reorder: int) -> None:
    assert Sps.of(Nal.of(sps.to_nal(fps, reorder))) == sps


@given(PICTURES)
def test_picture_parameter_sets_are_read_back(pps: Pps) -> None:
    assert Pps.of(Nal.of(pps.to_nal())) == pps


@given(st.data(), SEQUENCES, PICTURES, st.sampled_from(SliceKind), st.booleans(), st.binary(min_size=1, max_size=40))
def test_slice_headers_are_read_back(
    data: st.DataObject, sps: Sps, pps: Pps, kind: SliceKind, reference: bool, payload: bytes
) -> None:
    idr = kind is SliceKind.I and reference and data.draw(st.booleans())
    smoothing = st.one_of(
        st.just(Deblocking(off=True)), st.builds(Deblocking, alpha=st.integers(-6, 6), beta=st.integers(-6, 6))
    )
    header = SliceHeader(
        kind=kind,
        idr=idr,
        reference=reference,
        frame_num=data.draw(st.integers(0, 2**sps.frame_num_bits - 1)),
        idr_number=data.draw(st.integers(0, 65535)) if idr else 0,
        order=data.draw(st.integers(0, 2**sps.order_bits - 1)),
        qp=data.draw(st.integers(-26, 25)),
        deblocking=data.draw(smoothing) if pps.deblocking_control else None,
    )
    found, bits = read_slice(Nal.of(header.to_nal(sps, pps, payload)), sps, pps)
    assert found == header
    missing = -bits.position % 8
    assert bits.u(missing) == (1 << missing) - 1
    assert bytes(bits.u(8) for _ in payload) == payload


def test_unsupported_streams_are_refused() -> None:
    sps, pps = Sps(level=40, width=4, height=3), Pps(number=0, cabac=True)
    header = SliceHeader(kind=SliceKind.I, idr=True, reference=True)
    nal = Nal.of(header.to_nal(sps, pps, b"data"))
    with pytest.raises(Unsupported, match="another picture parameter set"):
        read_slice(nal, sps, dataclasses.replace(pps, number=1))
    with pytest.raises(Unsupported, match="several slices"):
        read_slice(nal._replace(payload=b"\x40" + nal.payload), sps, pps)
    whole = Nal.of(sps.to_nal(30, 1))
    # The chroma format, 4:2:0, is the second number after profile, constraints and level.
    with pytest.raises(Unsupported, match="chroma_format_idc is 0"):
        Sps.of(whole._replace(payload=whole.payload[:3] + b"\xff" + whole.payload[4:]))


@pytest.mark.parametrize(
    ("size", "fps", "level"),
    [((120, 68), 30, 40), ((120, 68), 60, 42), ((80, 45), 30, 31), ((240, 135), 30, 51), ((1, 1), 1, 10)],
)
def test_levels_equal_those_of_encoders(size: tuple[int, int], fps: int, level: int) -> None:
    assert level_of(*size, fps, 2) == level


def test_largest_films_have_a_level() -> None:
    assert level_of(256, 256, 120, 2) == 61
    assert level_of(256, 1, 120, 2) == 40
    with pytest.raises(ValueError, match="no level"):
        level_of(1056, 2, 30, 2)


# # Macroblocks: a decoder of the bits, written a second time from the standard's text


def decoded(bits: BitWriter, width: int, height: int) -> list[list[MacroblockMotion]]:
    bits.trail()
    reader = BitReader(bits.to_bytes())
    grid: list[list[MacroblockMotion]] = []
    run = reader.ue()
    for address in range(width * height):
        if address % width == 0:
            grid.append([])
        near = surroundings(grid, address % width)
        if run:
            run -= 1
            grid[-1].append(direct(near))
            continue
        side = {1: BEFORE, 2: AFTER}[reader.ue()]
        vector = Vector(used=True, right=median(near, side) + reader.se())
        assert reader.se() == 0
        assert reader.ue() == 0
        grid[-1].append(MacroblockMotion(before=vector) if side == BEFORE else MacroblockMotion(after=vector))
        run = reader.ue() if reader.more() else 0
    assert not run
    assert not reader.more()
    return grid


def surroundings(grid: list[list[MacroblockMotion]], column: int) -> list[MacroblockMotion | None]:
    left = grid[-1][column - 1] if column else None
    above = grid[-2] if len(grid) > 1 else []
    corner = above[column + 1] if column + 1 < len(above) else above[column - 1] if above and column else None
    return [left, above[column] if above else None, corner]


def median(near: list[MacroblockMotion | None], side: int) -> int:
    if near[1] is None and near[2] is None and near[0] is not None:
        near = [near[0]] * 3
    vectors = [Vector(used=False, right=0) if one is None else one.of(side) for one in near]
    matching = [one for one in vectors if one.used]
    if len(matching) == 1:
        return matching[0].right
    return sorted(one.right for one in vectors)[1]


def direct(near: list[MacroblockMotion | None]) -> MacroblockMotion:
    used = [any(one is not None and one.of(side).used for one in near) for side in (BEFORE, AFTER)]
    if used == [False, False]:
        return MacroblockMotion(Vector(used=True, right=0), Vector(used=True, right=0))
    vectors = [Vector(used[side], median(near, side)) if used[side] else Vector(used=False, right=0) for side in (0, 1)]
    return MacroblockMotion(*vectors)


MOTIONS = st.builds(moved, st.sampled_from([BEFORE, AFTER]), st.integers(-100, 100))


@given(st.lists(MOTIONS, min_size=1, max_size=12), st.integers(1, 5))
def test_decoders_derive_the_intended_motion(columns: list[MacroblockMotion], rows: int) -> None:
    assert decoded(moving(columns, rows), len(columns), rows) == [columns] * rows


def test_macroblocks_away_from_the_seam_are_skipped() -> None:
    columns = [moved(AFTER, 0)] * 60 + [moved(BEFORE, 0)] * 60
    assert len(moving(columns, 68)) / 8 < 400
    assert len(skipped(120 * 68)) == 25


def test_skipped_macroblock_without_neighbours_blends_both() -> None:
    assert decoded(skipped(6), 3, 2) == [[MacroblockMotion(Vector(True, 0), Vector(True, 0))] * 3] * 2  # noqa: FBT003  (used)
    assert direct([None, None, None]) == MacroblockMotion(Vector(True, 0), Vector(True, 0))  # noqa: FBT003  (used)
    assert Neighbours(None, None, None).of(BEFORE) == [Vector(used=False, right=0)] * 3
