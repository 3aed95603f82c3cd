import math
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest
import trio

from cloudkon.instructions.animoto import Quality
from images.animoto.encode.stills import CodedStill, encode_stills
from images.animoto.ffmpeg.ffmpeg_process import DEFAULT_BOUNDS
from tests.support import picture_corpus as corpus
from tests.support.slideshow_jobs import show


@pytest.mark.parametrize("quality", Quality)
@pytest.mark.parametrize("size", [(32, 32), (640, 360)])
async def test_encoder_holds_few_pictures_and_needs_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quality: Quality, size: tuple[int, int]
) -> None:
    """This holds for small pictures too, dozens of which fit into buffers on the way."""
    monkeypatch.setattr("images.animoto.encode.stills._PATIENCE", math.inf)
    film = show(width=size[0], height=size[1]).film
    given, taken, most = 0, 0, 0

    async def pictures() -> AsyncGenerator[bytes, None]:
        nonlocal given, most
        for seed in range(40):
            given += 1
            most = max(most, given - taken)
            yield corpus.scenery(seed, *size).tobytes()

    sink, stills = trio.open_memory_channel[CodedStill](0)
    with trio.fail_after(120):
        async with trio.open_nursery() as lanes, aclosing(pictures()) as feed:
            lanes.start_soon(encode_stills, feed, film, quality, tmp_path, DEFAULT_BOUNDS, sink)
            async for _still in stills:
                taken += 1
    assert taken == 40
    assert most <= 5 + 2  # one that waits for a place, and one that is being sent
