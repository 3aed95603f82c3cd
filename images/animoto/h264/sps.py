"""Writes and reads sequence parameter sets: what holds for all pictures (ITU-T H.264, 7.3.2.1.1 and annex E)."""

from dataclasses import dataclass
from typing import Final, Self

from .bits import BitReader, BitWriter
from .nal import Nal, NalType
from .unsupported import Unsupported

HIGH_PROFILE: Final = 100
MACROBLOCK: Final = 16
"""Pixels across and down."""
_BT709: Final = 1
"""colour_primaries, transfer_characteristics and matrix_coefficients (tables E-3 to E-5)."""
_WITH_CHROMA_FORMAT: Final = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sps:
    """A sequence parameter set of progressive 8-bit 4:2:0 pictures."""

    profile: int = HIGH_PROFILE
    level: int
    """level_idc."""
    frame_num_bits: int = 4
    """Bits of frame_num, which counts references; 4 is the minimum, and two references are the most that is ever
    held."""
    order_type: int = 0
    """pic_order_cnt_type: 0 where slices contain their place in the order of display, 2 where that is the coding
    order."""
    order_bits: int = 16
    """Bits of pic_order_cnt_lsb."""
    references: int = 2
    """max_num_ref_frames."""
    width: int
    """In macroblocks."""
    height: int
    """In macroblocks."""
    crop: tuple[int, int, int, int] = (0, 0, 0, 0)
    """What is cropped on the left, right, top and bottom, in units of two pixels."""

    @property
    def macroblocks(self) -> int:
        """Macroblocks of one picture."""
        return self.width * self.height

    def to_nal(self, fps: int, reorder: int) -> bytes:
        """Return its NAL unit, with limited-range BT.709, square pixels, a constant rate, and the buffers' sizes.

        At most ``reorder`` pictures are coded before one that is shown ahead of them.
        """
        if self.profile != HIGH_PROFILE or self.order_type != 0:
            raise ValueError("only High profile with order type 0 is written")
        bits = BitWriter()
        bits.u(8, self.profile)
        bits.u(8, 0)  # constraint_set_flags
        bits.u(8, self.level)
        bits.ue(0)  # seq_parameter_set_id
        bits.ue(1)  # chroma_format_idc: 4:2:0
        bits.ue(0)  # bit_depth_luma_minus8
        bits.ue(0)  # bit_depth_chroma_minus8
        bits.u(1, 0)  # qpprime_y_zero_transform_bypass_flag
        bits.u(1, 0)  # seq_scaling_matrix_present_flag
        bits.ue(self.frame_num_bits - 4)
        bits.ue(self.order_type)
        bits.ue(self.order_bits - 4)
        bits.ue(self.references)
        bits.u(1, 0)  # gaps_in_frame_num_value_allowed_flag
        bits.ue(self.width - 1)
        bits.ue(self.height - 1)
        bits.u(1, 1)  # frame_mbs_only_flag
        bits.u(1, 1)  # direct_8x8_inference_flag
        bits.flag(any(self.crop))
        if any(self.crop):
            for side in self.crop:
                bits.ue(side)
        bits.u(1, 1)  # vui_parameters_present_flag
        self._write_usability(bits, fps, reorder)
        bits.trail()
        return Nal(NalType.SPS, 3, bits.to_bytes()).to_bytes()

    def _write_usability(self, bits: BitWriter, fps: int, reorder: int) -> None:
        """Write vui_parameters (E.1.1)."""
        bits.u(1, 1)  # aspect_ratio_info_present_flag
        bits.u(8, 1)  # aspect_ratio_idc: square
        bits.u(1, 0)  # overscan_info_present_flag
        bits.u(1, 1)  # video_signal_type_present_flag
        bits.u(3, 5)  # video_format: unspecified
        bits.u(1, 0)  # video_full_range_flag
        bits.u(1, 1)  # colour_description_present_flag
        for _description in ("primaries", "transfer", "matrix"):
            bits.u(8, _BT709)
        bits.u(1, 0)  # chroma_loc_info_present_flag: left, as by default
        bits.u(1, 1)  # timing_info_present_flag
        bits.u(32, 1)  # num_units_in_tick
        bits.u(32, 2 * fps)  # time_scale: two ticks a frame, for its two fields
        bits.u(1, 1)  # fixed_frame_rate_flag
        bits.u(1, 0)  # nal_hrd_parameters_present_flag
        bits.u(1, 0)  # vcl_hrd_parameters_present_flag
        bits.u(1, 0)  # pic_struct_present_flag
        bits.u(1, 1)  # bitstream_restriction_flag
        bits.u(1, 1)  # motion_vectors_over_pic_boundaries_flag
        bits.ue(0)  # max_bytes_per_pic_denom: unlimited
        bits.ue(0)  # max_bits_per_mb_denom: unlimited
        bits.ue(16)  # log2_max_mv_length_horizontal
        bits.ue(16)  # log2_max_mv_length_vertical
        bits.ue(reorder)  # max_num_reorder_frames
        bits.ue(self.references)  # max_dec_frame_buffering

    @classmethod
    def of(cls, nal: Nal) -> Self:
        """Read one, as far as slices depend on it. How the video is to be shown is ignored."""
        bits = BitReader(nal.payload)
        profile = bits.u(8)
        bits.u(8)  # constraint_set_flags
        level = bits.u(8)
        _expect(bits.ue(), 0, "seq_parameter_set_id")
        if profile in _WITH_CHROMA_FORMAT:
            _expect(bits.ue(), 1, "chroma_format_idc")
            _expect(bits.ue(), 0, "bit_depth_luma_minus8")
            _expect(bits.ue(), 0, "bit_depth_chroma_minus8")
            _expect(bits.u(1), 0, "qpprime_y_zero_transform_bypass_flag")
            _expect(bits.u(1), 0, "seq_scaling_matrix_present_flag")
        frame_num_bits = bits.ue() + 4
        order_type = bits.ue()
        if order_type not in (0, 2):
            raise Unsupported(f"its pic_order_cnt_type is {order_type}")
        order_bits = bits.ue() + 4 if order_type == 0 else 0
        references = bits.ue()
        bits.u(1)  # gaps_in_frame_num_value_allowed_flag
        width, height = bits.ue() + 1, bits.ue() + 1
        _expect(bits.u(1), 1, "frame_mbs_only_flag")
        bits.u(1)  # direct_8x8_inference_flag
        crop = (bits.ue(), bits.ue(), bits.ue(), bits.ue()) if bits.flag() else (0, 0, 0, 0)
        return cls(
            profile=profile,
            level=level,
            frame_num_bits=frame_num_bits,
            order_type=order_type,
            order_bits=order_bits,
            references=references,
            width=width,
            height=height,
            crop=crop,
        )


def _expect(found: int, wanted: int, name: str) -> None:
    if found != wanted:
        raise Unsupported(f"its {name} is {found}, not {wanted}")
