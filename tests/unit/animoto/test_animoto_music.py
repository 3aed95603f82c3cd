import random
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from cloudkon.errors import CloudKonError, PermanentFailure
from cloudkon.memory import MemoryStore
from cloudkon.settings import Settings
from images.animoto.fetch.fetch import Fetcher, Limits
from images.animoto.mp4.sound import Sound
from images.animoto.music.loudness import measured
from images.animoto.music.soundtrack import Soundtrack
from tests.support import picture_corpus as corpus
from tests.support.films import processes_at
from tests.support.sounds import CHORD, DRUMS, RATE, heard, run, sound
from tests.support.web import Web

Make = Callable[..., Soundtrack]


@pytest.fixture
def made_from(tmp_path: Path, web: Web, store: MemoryStore, settings: Settings) -> Make:
    def make(data: bytes | Path, seconds: str = "12", link: str = "") -> Soundtrack:
        link = link or web.add("/music", data if isinstance(data, bytes) else data.read_bytes(), "text/plain")
        fetcher = Fetcher(settings, store, Limits(attempts=1))
        directory = tmp_path / "job"
        directory.mkdir(exist_ok=True)
        return Soundtrack(link, Fraction(seconds), fetcher, directory)

    return make


def frames_for(seconds: float) -> int:
    """Return the number of AAC frames: the one before the first sample, and those that hold all samples."""
    return 1 + -(-round(seconds * RATE) // 1024)


async def coded(soundtrack: Soundtrack, seconds: str = "12") -> Path:
    await soundtrack.prepare()
    return await soundtrack.of_length(Fraction(seconds))


@pytest.mark.parametrize("kind", ["mp3", "m4a", "wav", "flac", "ogg", "opus", "webm", "aac", "aiff", "mp4"])
async def test_music_of_every_kind_gets_the_film_s_length_and_loudness(
    tmp_path: Path, made_from: Make, kind: str
) -> None:
    picture = ["-f", "lavfi", "-i", "testsrc=d=1.5:s=64x64:r=5"] if kind == "mp4" else []
    path = sound(tmp_path / f"one.{kind}", CHORD, 1.5, 44_100, *picture)
    track = await coded(made_from(path, "5"), "5")
    with Sound(track) as read:
        assert len(read.sizes) == frames_for(5)
    found = await measured(["-i", str(track)], [], tmp_path)
    assert abs(found.integrated - -14) < 1
    assert found.peak < -1
    # The music repeats: no tenth of a second is silent before the fade.
    tenths = heard(track)[RATE // 2 : 3 * RATE].reshape(-1, RATE // 10, 2)
    assert np.abs(tenths).max(axis=(1, 2)).min() > 0.2


async def test_peaks_are_limited_without_loss_of_loudness(tmp_path: Path, made_from: Make) -> None:
    found = await measured(["-i", str(await coded(made_from(sound(tmp_path / "a.wav", DRUMS))))], [], tmp_path)
    assert abs(found.integrated - -14) < 1
    assert found.peak < -1


async def test_music_fades_in_and_out(tmp_path: Path, made_from: Make) -> None:
    samples = heard(await coded(made_from(sound(tmp_path / "long.wav", seconds=30))))[1024:, 0]

    def loud(second: float) -> float:
        at = round(second * RATE)
        return float(np.sqrt(np.mean(samples[at : at + RATE // 10] ** 2)))

    whole = loud(5)
    assert loud(0) < whole / 4 < loud(0.4) < whole
    assert loud(9.9) > 0.9 * whole
    assert 0.4 * whole < loud(10.95) < 0.6 * whole
    assert loud(11.9) < whole / 10


async def test_shorter_film_gets_its_music_s_end_earlier(tmp_path: Path, made_from: Make) -> None:
    soundtrack = made_from(sound(tmp_path / "a.wav"))
    await soundtrack.prepare()
    whole = (await soundtrack.of_length(Fraction(12))).read_bytes()
    with Sound(await soundtrack.of_length(Fraction(7, 2))) as read:
        assert len(read.sizes) == frames_for(3.5)
    assert (await soundtrack.of_length(Fraction(12))).read_bytes() == whole


async def test_very_short_film_has_music(tmp_path: Path, made_from: Make) -> None:
    track = await coded(made_from(sound(tmp_path / "a.wav"), "0.1"), "0.1")
    assert np.abs(heard(track)[1024:]).max() > 0.05


async def test_music_can_come_from_the_store(tmp_path: Path, made_from: Make, store: MemoryStore) -> None:
    put = await store.put("music/one.mp3", sound(tmp_path / "one.mp3"), "audio/mpeg", {})
    assert await coded(made_from(b"", link=put.address))
    with pytest.raises(PermanentFailure, match=r"s3://other/one.mp3: bucket other is neither the store"):
        await made_from(b"", link="s3://other/one.mp3").prepare()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it is an empty file"),
        (b"<!DOCTYPE html><html>sign in</html>", "it is a web page; supported are MP3, AAC"),
        (b"#EXTM3U\nfile:///etc/passwd\n", "it is a playlist"),
        (corpus.encoded(corpus.flat(corpus.RED)), "it is a JPEG"),
        (b"MThd and notes", "it is not music of a known kind"),
        (b"ID3" + bytes(range(256)) * 20, "it can't be decoded"),
    ],
)
async def test_file_that_is_not_music_is_named(made_from: Make, data: bytes, reason: str) -> None:
    with pytest.raises(PermanentFailure, match=rf"the music can't be used, http://.*/music: {reason}"):
        await made_from(data).prepare()


async def test_silence_and_files_without_sound_are_named(tmp_path: Path, made_from: Make) -> None:
    with pytest.raises(PermanentFailure, match="it is silent"):
        await made_from(sound(tmp_path / "silent.wav", "0")).prepare()
    silent = tmp_path / "silent.mp4"
    run(["-f", "lavfi", "-i", "testsrc=d=1:s=64x64:r=5", "-c:v", "libx264", silent])
    with pytest.raises(PermanentFailure, match="there is no sound in it"):
        await made_from(silent).prepare()


async def test_music_full_of_gaps_is_refused_but_a_click_is_not(tmp_path: Path, made_from: Make) -> None:
    whole = sound(tmp_path / "whole.mp3", seconds=10).read_bytes()
    chance = random.Random(1)
    for count in (1, 200):
        hurt = bytearray(whole)
        for _hurt in range(count):
            at = chance.randrange(2000, len(hurt) - 20)
            hurt[at : at + 20] = chance.randbytes(20)
        if count == 1:
            await made_from(bytes(hurt)).prepare()
        else:
            with pytest.raises(PermanentFailure, match="it is damaged in many places"):
                await made_from(bytes(hurt)).prepare()


async def test_too_large_or_missing_music_is_reported(tmp_path: Path, made_from: Make, web: Web) -> None:
    soundtrack = made_from(sound(tmp_path / "one.wav"))
    soundtrack._fetcher = replace(soundtrack._fetcher, limits=Limits(bytes=1000))
    with pytest.raises(PermanentFailure, match="it is larger than"):
        await soundtrack.prepare()
    with pytest.raises(PermanentFailure, match=r"nothing is there \(HTTP 404\)"):
        await made_from(b"", link=web.link("/none.mp3")).prepare()
    web.answers["/busy.mp3"] = lambda request: request.reply(503)
    with pytest.raises(CloudKonError, match="busy or broken") as caught:
        await made_from(b"", link=web.link("/busy.mp3")).prepare()
    assert not isinstance(caught.value, PermanentFailure)
    assert processes_at(tmp_path) == []


def test_adts_files_must_be_complete_and_of_the_right_kind(tmp_path: Path) -> None:
    good = sound(tmp_path / "good.aac", CHORD, 1, RATE, "-ac", "2")
    with Sound(good) as read:
        assert len(read.sizes) == frames_for(1)
    cut = corpus.saved(tmp_path / "cut.aac", good.read_bytes()[:-3])
    with pytest.raises(ValueError, match="not whole"):
        Sound(cut)
    with pytest.raises(ValueError, match="not stereo AAC LC"):
        Sound(sound(tmp_path / "mono.aac", CHORD, 1, RATE))
    with pytest.raises(ValueError, match="not stereo AAC LC"):
        Sound(sound(tmp_path / "slow.aac", CHORD, 1, 44_100, "-ac", "2"))
