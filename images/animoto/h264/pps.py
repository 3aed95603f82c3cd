"""Writes and reads picture parameter sets: how slices of a kind are coded (ITU-T H.264, 7.3.2.2)."""

from dataclasses import dataclass
from typing import Self

from .bits import BitReader, BitWriter
from .nal import Nal, NalType
from .unsupported import Unsupported

_MIDDLE_QP = 26
"""The value that quantiser parameters are coded relative to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pps:
    """A picture parameter set with one slice group and one reference in each list."""

    number: int
    """pic_parameter_set_id."""
    cabac: bool
    """Whether macroblocks are coded with CABAC, and not CAVLC."""
    implicit_weights: bool = False
    """weighted_bipred_idc 2: B slices blend their two references by their distances in time."""
    first_qp: int = _MIDDLE_QP
    """The value that slices code their quantiser parameter relative to."""
    chroma_qp: int = 0
    """chroma_qp_index_offset."""
    deblocking_control: bool = True
    """Whether slices contain deblocking parameters."""
    constrained_intra: bool = False
    second_chroma_qp: int | None = None
    """The offset for the second chroma plane, if the set contains it together with the flag for 8x8 transforms."""
    large_transforms: bool = False
    """transform_8x8_mode_flag."""

    def to_nal(self) -> bytes:
        """Return its NAL unit."""
        bits = BitWriter()
        bits.ue(self.number)
        bits.ue(0)  # seq_parameter_set_id
        bits.flag(self.cabac)
        bits.u(1, 0)  # bottom_field_pic_order_in_frame_present_flag
        bits.ue(0)  # num_slice_groups_minus1
        bits.ue(0)  # num_ref_idx_l0_default_active_minus1
        bits.ue(0)  # num_ref_idx_l1_default_active_minus1
        bits.u(1, 0)  # weighted_pred_flag
        bits.u(2, 2 if self.implicit_weights else 0)  # weighted_bipred_idc
        bits.se(self.first_qp - _MIDDLE_QP)
        bits.se(0)  # pic_init_qs_minus26
        bits.se(self.chroma_qp)
        bits.flag(self.deblocking_control)
        bits.flag(self.constrained_intra)
        bits.u(1, 0)  # redundant_pic_cnt_present_flag
        if self.second_chroma_qp is not None:
            bits.flag(self.large_transforms)
            bits.u(1, 0)  # pic_scaling_matrix_present_flag
            bits.se(self.second_chroma_qp)
        bits.trail()
        return Nal(NalType.PPS, 3, bits.to_bytes()).to_bytes()

    @classmethod
    def of(cls, nal: Nal) -> Self:
        """Read one. The prediction of P and B slices is ignored, except for implicit weights."""
        bits = BitReader(nal.payload)
        number = bits.ue()
        bits.ue()  # seq_parameter_set_id
        cabac = bits.flag()
        if bits.flag():
            raise Unsupported("it has fields")
        if bits.ue():
            raise Unsupported("it has slice groups")
        bits.ue()  # num_ref_idx_l0_default_active_minus1
        bits.ue()  # num_ref_idx_l1_default_active_minus1
        bits.u(1)  # weighted_pred_flag
        implicit_weights = bits.u(2) == 2  # noqa: PLR2004  (weighted_bipred_idc)
        first_qp = bits.se() + _MIDDLE_QP
        bits.se()  # pic_init_qs_minus26
        chroma_qp = bits.se()
        deblocking_control, constrained_intra = bits.flag(), bits.flag()
        if bits.flag():
            raise Unsupported("it has redundant pictures")
        large_transforms, second_chroma_qp = False, None
        if bits.more():
            large_transforms = bits.flag()
            if bits.flag():
                raise Unsupported("it has scaling matrices")
            second_chroma_qp = bits.se()
        return cls(
            number=number,
            cabac=cabac,
            implicit_weights=implicit_weights,
            first_qp=first_qp,
            chroma_qp=chroma_qp,
            deblocking_control=deblocking_control,
            constrained_intra=constrained_intra,
            second_chroma_qp=second_chroma_qp,
            large_transforms=large_transforms,
        )
