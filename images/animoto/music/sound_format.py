"""Container: which kind of file sound comes in, by its first bytes, so that ffmpeg opens it as this and nothing else.

Left to guess, ffmpeg takes a playlist for what it is, and opens what it lists.
"""

from pathlib import Path

from ..pictures.file_type import MAGIC, name_of
from ..pictures.missing import Unusable

_HEAD = 512
"""Bytes that are looked at."""
_MAGIC = {
    b"ID3": "mp3",
    b"fLaC": "flac",
    b"OggS": "ogg",
    b"\x1a\x45\xdf\xa3": "matroska",
}
_RIFF = {b"RIFF", b"RF64"}
_AIFF = {b"AIFF", b"AIFC"}
_SYNC = 0xFFE0
"""The eleven ones that frames of MPEG audio begin with (ISO/IEC 11172-3, 2.4.1.3)."""
_LAYER = 0x0006
"""Behind them: which layer of MPEG audio; none of them where it is ADTS (ISO/IEC 13818-7, 6.2)."""
TAKEN = "MP3, AAC, M4A, MP4, WAV, FLAC, Ogg, Opus, WebM and AIFF are taken"
DECODERS = (
    "mp3float,mp3,mp2float,mp2,aac,flac,vorbis,libvorbis,opus,libopus,alac,ac3,eac3,pcm_alaw,pcm_mulaw,pcm_u8,pcm_s8,"
    "pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be,pcm_f64le,pcm_f64be"
)
"""What ffmpeg may decode with: of its hundreds, those that music is coded for."""


def demuxer_of(path: Path) -> str:
    """The name ffmpeg has for what reads the file, or raise ``Unusable`` that names what it is instead."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head:
        raise Unusable("it is an empty file")
    for magic, demuxer in _MAGIC.items():
        if head.startswith(magic):
            return demuxer
    if head[:4] in _RIFF and head[8:12] == b"WAVE":
        return "wav"
    if head[:4] == b"FORM" and head[8:12] in _AIFF:
        return "aiff"
    if head[4:8] == b"ftyp":
        return "mov"
    first = int.from_bytes(head[:2], "big")
    if first & _SYNC == _SYNC:
        return "mp3" if first & _LAYER else "aac"
    found = next((f"a {kind.value}" for magic, kind in MAGIC.items() if head.startswith(magic)), name_of(head))
    raise Unusable(f"it is {found or 'no music of a known kind'}; {TAKEN}")
