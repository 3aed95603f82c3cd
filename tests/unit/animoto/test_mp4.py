import struct
from pathlib import Path

import numpy as np
import pytest

from images.animoto.mp4.boxes import head_of
from images.animoto.mp4.chunks import Chunks, in_turns
from images.animoto.mp4.samples import Samples
from images.animoto.mp4.sound import Sound
from images.animoto.mp4.track import VideoTrack
from images.animoto.mp4.writer import Mp4Writer
from tests.support.sounds import CLICKS, RATE, heard, run, sound

GIBIBYTE = 1024**3


def test_videos_beyond_4_gib_get_offsets_of_64_bits() -> None:
    samples = Samples()
    for frame in range(6):
        samples.add(GIBIBYTE, frame, key=frame == 0)
    first = 1000
    chunks, _sounds = in_turns(samples.sizes, 2, [], 1)
    tables = samples.tables(b"", chunks, first)
    at = tables.index(b"co64") + 4
    assert struct.unpack(">IIQQQ", tables[at : at + 32]) == (
        0,
        3,
        *(first + chunk * 2 * GIBIBYTE for chunk in range(3)),
    )
    assert head_of(b"mdat", 6 * GIBIBYTE) == struct.pack(">I4sQ", 1, b"mdat", 6 * GIBIBYTE + 16)
    track = VideoTrack(64, 64, 25, b"\x67\x64\x00\x28", [b"\x68"])
    assert len(track.box(samples, chunks, 0)) == len(track.box(samples, chunks, 10_000))


def test_index_contains_the_display_times_of_frames_coded_ahead() -> None:
    samples = Samples()
    for shown in (0, 3, 1, 2, 4):
        samples.add(10, shown, key=shown == 0)
    assert samples.delay == 1
    tables = samples.tables(b"", Chunks(), 0)
    at = tables.index(b"ctts") + 8
    runs = struct.unpack(">I8I", tables[at : at + 36])
    assert runs == (4, 1, 512, 1, 1536, 2, 0, 1, 512)


def film_with_sound(tmp_path: Path, seconds: float, fps: int = 25) -> Path:
    """A video of pictures that no decoder can read."""
    music = sound(tmp_path / "music.aac", CLICKS, seconds, RATE, "-ac", "2")
    video = tmp_path / "video.mp4"
    with Mp4Writer(video, 10**9) as writer:
        for frame in range(round(seconds * fps)):
            writer.add(bytes([0x65, frame % 251] * (40 + frame % 7)), frame, key=frame == 0)
        writer.finish(VideoTrack(64, 64, fps, b"\x67\x64\x00\x28", [b"\x68"]), music)
    return video


@pytest.mark.parametrize("seconds", [0.04, 1.0, 3.48, 61.0])
def test_sound_is_in_time_to_the_sample(tmp_path: Path, seconds: float) -> None:
    video = film_with_sound(tmp_path, seconds)
    samples = np.abs(heard(video)[:, 0])
    assert len(samples) == round(seconds * RATE)
    strokes = [int(np.argmax(samples[at : at + RATE // 2])) for at in range(0, len(samples), RATE)]
    assert strokes == [0] * len(strokes)


def test_pictures_and_sound_alternate_each_second_and_are_complete(tmp_path: Path) -> None:
    video = film_with_sound(tmp_path, 10.4)
    listed = run(["-i", video, "-map", "0", "-c", "copy", "-f", "framehash", "-hash", "md5", "-"]).decode()
    packets = [line.split(",") for line in listed.splitlines() if not line.startswith("#")]
    assert len([one for one in packets if one[0] == "0"]) == 260
    data = video.read_bytes()
    first = data.index(b"mdat") + 4
    # Where each second's pictures begin, by their content; after them come its sound and the next second's pictures.
    begins = [
        data.index(struct.pack(">I", 2 * (40 + frame % 7)) + bytes([0x65, frame % 251]), first)
        for frame in range(0, 260, 25)
    ]
    assert begins == sorted(begins)
    with Sound(tmp_path / "music.aac") as read:
        sounds = [read.read(round((second + 1) * RATE / 1024) - round(second * RATE / 1024)) for second in range(10)]
        sounds.append(read.read(len(read.sizes) - round(10 * RATE / 1024)))
    for begin, end, piece in zip(begins, [*begins[1:], len(data)], sounds, strict=True):
        assert data[end - len(piece) : end] == piece
        assert begin < end - len(piece)


def test_video_without_sound_has_one_track(tmp_path: Path) -> None:
    video = tmp_path / "video.mp4"
    with Mp4Writer(video, 10**9) as writer:
        writer.add(b"\x65picture", 0, key=True)
        writer.finish(VideoTrack(64, 64, 25, b"\x67\x64\x00\x28", [b"\x68"]))
    assert video.read_bytes().count(b"trak") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["video.mp4"]
