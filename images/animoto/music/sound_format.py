"""Detects a sound file's container by its first bytes, so that ffmpeg opens it as this and nothing else.

If ffmpeg had to guess, it would recognise a playlist and open the files that it lists.
"""

from pathlib import Path

from ..pictures.file_type import MAGIC, name_of
from ..pictures.missing import Unusable

_HEAD = 512
"""Bytes that are read."""
_MAGIC = {
    b"ID3": "mp3",
    b"fLaC": "flac",
    b"OggS": "ogg",
    b"\x1a\x45\xdf\xa3": "matroska",
}
_RIFF = {b"RIFF", b"RF64"}
_AIFF = {b"AIFF", b"AIFC"}
_SYNC = 0xFFE0
"""The eleven ones at the beginning of MPEG audio frames (ISO/IEC 11172-3, 2.4.1.3)."""
_LAYER = 0x0006
"""The bits after them: the layer of MPEG audio, or zeros for ADTS (ISO/IEC 13818-7, 6.2)."""
SUPPORTED = "supported are MP3, AAC, M4A, MP4, WAV, FLAC, Ogg, Opus, WebM and AIFF"
DECODERS = (
    "mp3float,mp3,mp2float,mp2,aac,flac,vorbis,libvorbis,opus,libopus,alac,ac3,eac3,pcm_alaw,pcm_mulaw,pcm_u8,pcm_s8,"
    "pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be,pcm_f64le,pcm_f64be"
)
"""The decoders that ffmpeg may use: of its hundreds, those that music is encoded for."""


def demuxer_of(path: Path) -> str:
    """Return ffmpeg's name of the demuxer for the file, or raise ``Unusable`` that names what the file is instead."""
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
    raise Unusable(f"it is {found or 'not music of a known kind'}; {SUPPORTED}")
