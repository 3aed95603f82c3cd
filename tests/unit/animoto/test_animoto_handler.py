import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cloudkon.errors import InvalidInstruction
from cloudkon.handler import Context
from cloudkon.memory import memory_services
from images.animoto.slideshow_handler import animoto
from tests.support import picture_corpus as corpus
from tests.support.web import Web


def test_instruction_returns_the_address_of_a_video(
    web: Web, context_for: Callable[..., Context], monkeypatch: pytest.MonkeyPatch
) -> None:
    services = memory_services()
    monkeypatch.setattr("cloudkon.aws.connect", lambda _settings, _log: services)
    link = web.add("/one.jpg", corpus.encoded(corpus.flat(corpus.RED)))
    arguments = f"--size 160x90 --seconds .2 {link} --on-missing skip {web.link('/none.jpg')}"
    output = animoto(arguments, context_for())
    assert output.startswith("s3://memory/videos/run-1/7.owner-1.mp4 (1 of 2 pictures missing: picture 2, ")


def test_json_job_returns_the_addresses_of_video_and_poster(
    web: Web, context_for: Callable[..., Context], monkeypatch: pytest.MonkeyPatch
) -> None:
    services = memory_services()
    monkeypatch.setattr("cloudkon.aws.connect", lambda _settings, _log: services)
    links = [web.add(f"/{name}.jpg", corpus.encoded(corpus.flat(corpus.RED))) for name in ("one", "two")]
    pictures = [links[0], {"link": links[1], "seconds": 0.5, "caption": "Grüße, „Welt“"}]
    job = {"size": "160x90", "seconds": 0.2, "poster": 0.4, "pictures": pictures}
    output = animoto(json.dumps(job, ensure_ascii=False), context_for())
    assert output == "s3://memory/videos/run-1/7.owner-1.mp4 s3://memory/videos/run-1/7.owner-1.jpg"


def test_bad_instruction_is_refused_before_any_store_request(
    context_for: Callable[..., Context],
) -> None:
    with pytest.raises(InvalidInstruction, match="--fps 0"):
        animoto("--fps 0 https://example.org/one.jpg", context_for())


def test_worker_process_stays_small() -> None:
    """The worker's process only looks the handler up; slot processes run it."""
    heavy = "[m for m in ('pyvips', 'PIL', 'boto3') if m in sys.modules]"
    program = f"import sys, images.animoto.slideshow_handler; print({heavy})"
    said = subprocess.run(
        [sys.executable, "-c", program], cwd=Path(__file__).parents[3], check=True, capture_output=True, text=True
    )
    assert said.stdout == "[]\n"
