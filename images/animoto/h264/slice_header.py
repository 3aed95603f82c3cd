"""Writes and reads slice headers (ITU-T H.264, 7.3.3)."""

from dataclasses import dataclass
from enum import IntEnum

from .bits import BitReader, BitWriter
from .nal import Nal, NalType
from .pps import Pps
from .sps import Sps
from .unsupported import Unsupported

_KINDS = 5
"""slice_type 5 to 9 repeat 0 to 4, and mean that all slices of the picture are of that kind (table 7-6)."""


class SliceKind(IntEnum):
    """How a slice's macroblocks are predicted (table 7-6)."""

    P = 0
    B = 1
    I = 2  # noqa: E741  (the standard's own letter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deblocking:
    """How edges between blocks are smoothed (7.4.3)."""

    off: bool = False
    """disable_deblocking_filter_idc 1. Copied pixels must stay unchanged."""
    alpha: int = 0
    """slice_alpha_c0_offset_div2."""
    beta: int = 0
    """slice_beta_offset_div2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceHeader:
    """The header of a picture's only slice."""

    kind: SliceKind
    idr: bool = False
    reference: bool = False
    """Whether other pictures may refer to this one."""
    frame_num: int = 0
    """Number of references since the IDR picture, modulo 2 to the power of ``Sps.frame_num_bits``."""
    idr_number: int = 0
    """idr_pic_id: two IDR pictures in a row must differ in it."""
    order: int = 0
    """pic_order_cnt_lsb: the place in the order of display, modulo 2 to the power of ``Sps.order_bits``."""
    qp: int = 0
    """slice_qp_delta."""
    deblocking: Deblocking | None = Deblocking()
    """``None`` where the picture parameter set leaves it to the decoder's default."""

    def to_nal(self, sps: Sps, pps: Pps, data: BitWriter | bytes) -> bytes:
        """Return the slice's NAL unit; ``data`` are its macroblocks: CAVLC's bits, or CABAC's bytes."""
        bits = BitWriter()
        self._write(bits, sps, pps)
        if isinstance(data, BitWriter):
            bits.append(data)
            bits.trail()
            payload = bits.to_bytes()
        else:
            bits.align(ones=True)  # cabac_alignment_one_bit, 7.3.4
            payload = bits.to_bytes() + data
        kind = NalType.IDR_SLICE if self.idr else NalType.SLICE
        return Nal(kind, 2 if self.reference else 0, payload).to_bytes()

    def _write(self, bits: BitWriter, sps: Sps, pps: Pps) -> None:
        bits.ue(0)  # first_mb_in_slice
        bits.ue(self.kind + _KINDS)
        bits.ue(pps.number)
        bits.u(sps.frame_num_bits, self.frame_num)
        if self.idr:
            bits.ue(self.idr_number)
        if sps.order_type == 0:
            bits.u(sps.order_bits, self.order)
        if self.kind is SliceKind.B:
            bits.u(1, 1)  # direct_spatial_mv_pred_flag
        if self.kind is not SliceKind.I:
            bits.u(1, 0)  # num_ref_idx_active_override_flag
            bits.u(1, 0)  # ref_pic_list_modification_flag_l0, 7.3.3.1
        if self.kind is SliceKind.B:
            bits.u(1, 0)  # ref_pic_list_modification_flag_l1
        if self.reference:
            # dec_ref_pic_marking, 7.3.3.3: an IDR picture outputs the pictures before it and is no long-term reference;
            # at other pictures the oldest reference is dropped (8.2.5.3).
            bits.u(2 if self.idr else 1, 0)
        if pps.cabac and self.kind is not SliceKind.I:
            bits.ue(0)  # cabac_init_idc
        bits.se(self.qp)
        if pps.deblocking_control:
            self._write_deblocking(bits)

    def _write_deblocking(self, bits: BitWriter) -> None:
        deblocking = self.deblocking or Deblocking()
        bits.ue(1 if deblocking.off else 0)
        if not deblocking.off:
            bits.se(deblocking.alpha)
            bits.se(deblocking.beta)


def read_slice(nal: Nal, sps: Sps, pps: Pps) -> tuple[SliceHeader, BitReader]:
    """Read a slice's header; return it and the reader, positioned after it.

    Raises ``Unsupported`` for what ``SliceHeader`` can't represent.
    """
    bits = BitReader(nal.payload)
    if bits.ue():
        raise Unsupported("a picture has several slices")
    kind = SliceKind(bits.ue() % _KINDS)
    if bits.ue() != pps.number:
        raise Unsupported("a slice is of another picture parameter set")
    frame_num = bits.u(sps.frame_num_bits)
    idr = nal.type == NalType.IDR_SLICE
    idr_number = bits.ue() if idr else 0
    order = bits.u(sps.order_bits) if sps.order_type == 0 else 0
    if kind is SliceKind.B and not bits.flag():
        raise Unsupported("it has temporal direct prediction")
    # One flag for each list says whether it is modified; one before them whether its length is overridden.
    if kind is not SliceKind.I and bits.u(3 if kind is SliceKind.B else 2):
        raise Unsupported("it has lists of references of its own")
    if nal.reference and bits.u(2 if idr else 1):
        raise Unsupported("it marks references")
    if pps.cabac and kind is not SliceKind.I and bits.ue():
        raise Unsupported("its cabac_init_idc is not 0")
    qp = bits.se()
    header = SliceHeader(
        kind=kind,
        idr=idr,
        reference=nal.reference > 0,
        frame_num=frame_num,
        idr_number=idr_number,
        order=order,
        qp=qp,
        deblocking=_read_deblocking(bits) if pps.deblocking_control else None,
    )
    return header, bits


def _read_deblocking(bits: BitReader) -> Deblocking:
    how = bits.ue()
    if how == 1:
        return Deblocking(off=True)
    if how:
        raise Unsupported(f"its disable_deblocking_filter_idc is {how}")
    return Deblocking(alpha=bits.se(), beta=bits.se())
