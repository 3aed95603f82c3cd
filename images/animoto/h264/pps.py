"""Picture: how slices of a kind are coded (picture parameter set, ITU-T H.264, 7.3.2.2)."""

from dataclasses import dataclass
from typing import Self

from .bits import BitReader, BitWriter
from .nal import Nal, NalType
from .unsupported import Unsupported

_MIDDLE_QP = 26
"""What quantiser parameters are counted from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pps:
    """A picture parameter set, of one slice group and one reference a list."""

    number: int
    """pic_parameter_set_id."""
    cabac: bool
    """Whether macroblocks are coded by CABAC, and not CAVLC."""
    implicit_weights: bool = False
    """weighted_bipred_idc 2: B slices mix their two references by their distances in time."""
    first_qp: int = _MIDDLE_QP
    """What slices count their quantiser parameter from."""
    chroma_qp: int = 0
    """chroma_qp_index_offset."""
    deblocking_control: bool = True
    """Whether slices say how they are deblocked."""
    constrained_intra: bool = False
    second_chroma_qp: int | None = None
    """Of the second chroma plane, where the set says so and whether there are 8x8 transforms."""
    large_transforms: bool = False
    """transform_8x8_mode_flag."""

    def to_nal(self) -> bytes:
        """Its NAL unit."""
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
        """Read one. How P and B slices are predicted is passed over, except for implicit weights."""
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
