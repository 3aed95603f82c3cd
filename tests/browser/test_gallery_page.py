"""Opens the page that ``pull --gallery`` writes in a browser, from its folder."""

from pathlib import Path

import numpy as np
import pytest
import trio

from client.cli.view.gallery_page import page
from client.results.gallery import gather, keep_page
from client.results.pull import pull
from cloudkon.memory import memory_services
from cloudkon.model import Result, Run, TaskId, TaskState
from tests.browser.chromium import Chromium
from tests.browser.slideshows import Slideshow
from tests.support.client_doubles import record_results
from tests.support.slideshow_jobs import show
from tests.support.web import Web

EVIL = "<script>document.title = 'taken'</script><img src='http://127.0.0.1:9/spy.png'>"


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two videos with posters, one without, a failure, and texts that look like HTML."""
    place = tmp_path_factory.mktemp("gallery")
    made = Slideshow(show("0.5", width=320, height=180), count=2)
    video = place / "made.mp4"
    trio.run(made.render, video)

    async def make() -> Path:
        services = memory_services()
        run = Run.plan(run_id="r1", counts={"animoto": 5}, chunk_size=1, digest="d", started=1e9)
        facts = {"pictures": "2", "missing": "0", "seconds": "1", "fps": "30", "size": "320x180"}
        results = [Result(TaskId("r1", 3), TaskState.FAILED, error=EVIL * 5, attempts=3)]
        for seq in range(3):
            key = f"videos/r1/{seq}.t0k"
            if seq < 2:
                await services.store.put(f"{key}.jpg", made.poster(), "image/jpeg", facts)
            stored = await services.store.put(f"{key}.mp4", video, "video/mp4", facts)
            text = f"{stored.address} {EVIL if seq == 1 else ''}"
            results.append(Result(TaskId("r1", seq), TaskState.SUCCEEDED, text, seconds=3.21, worker="vm-10424-2c82"))
        await record_results(services, run, results)
        pulled = place / "videos"
        await pull(services, run, pulled, posters=True)
        gallery = await gather(services, run, pulled)
        return keep_page(pulled, gallery, page(gallery))

    return trio.run(make).parent


def test_every_video_loads_and_nothing_else_is_requested(chromium: Chromium, folder: Path) -> None:
    chromium.open((folder / "index.html").as_uri())
    loaded = chromium.run("""
        const videos = [...document.querySelectorAll('video')];
        await Promise.all(videos.map(video => new Promise((resolve, reject) => {
            video.onloadeddata = resolve;
            video.onerror = () => reject(video.error.message);
            video.preload = 'auto';
            video.load();
        })));
        return videos.map(video => [video.videoWidth, video.videoHeight, video.duration]);
    """)
    assert loaded == [[320, 180, 1]] * 3
    read_log = chromium.read_log()
    assert read_log.console_errors == []
    inside = f"{folder.as_uri()}/"
    assert {address.removeprefix(inside) for address in read_log.requested} == {
        *("index.html", "0.jpg", "1.jpg", "0.mp4", "1.mp4", "2.mp4")
    }
    title, text = chromium.run("return [document.title, document.body.innerText]")
    assert title == "Run r1"
    assert text.count("<script>") == 6


def test_content_policy_blocks_requests_outside_the_folder(chromium: Chromium, folder: Path, web: Web) -> None:
    """If escaping is ever forgotten, nothing runs and nothing is fetched."""
    chromium.open((folder / "index.html").as_uri())
    stopped = chromium.run(
        """
        const stopped = [];
        const both = new Promise(resolve => document.addEventListener('securitypolicyviolation', broken => {
            stopped.push(broken.effectiveDirective);
            if (stopped.length == 2) resolve();
        }));
        document.body.insertAdjacentHTML('beforeend', `<img src="${given[0]}"><p id="p" onclick="document.title = 1">`);
        document.getElementById('p').click();
        await both;
        return stopped;
        """,
        web.add("/spy.png", b""),
    )
    assert sorted(stopped) == ["img-src", "script-src-attr"]
    assert chromium.run("return document.title") == "Run r1"
    assert web.requests == []


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [320, 1280])
def test_page_is_readable_on_a_phone_and_in_dark_mode(
    chromium: Chromium, folder: Path, width: int, *, dark: bool
) -> None:
    chromium.show_as(width=width, height=800, dark=dark)
    chromium.open((folder / "index.html").as_uri())
    wide, columns, contrasts = chromium.run("""
        const main = document.querySelector('main');
        const light = colour => {
            const [red, green, blue] = colour.match(/[0-9.]+/g).slice(0, 3).map(Number).map(value => {
                const part = value / 255;
                return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
            });
            return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
        };
        const behind = element => {
            const colour = getComputedStyle(element).backgroundColor;
            return colour === 'rgba(0, 0, 0, 0)' ? behind(element.parentElement) : colour;
        };
        const contrast = element => {
            const [one, other] = [getComputedStyle(element).color, behind(element)].map(light).sort((a, b) => b - a);
            return (one + 0.05) / (other + 0.05);
        };
        return [
            document.documentElement.scrollWidth,
            getComputedStyle(main).gridTemplateColumns.split(' ').length,
            [...document.querySelectorAll('h1, h2, p, dt, dd, a')].map(contrast),
        ];
    """)
    assert wide <= width, "nothing sticks out"
    assert (columns == 1) is (width == 320)
    assert min(contrasts) >= 4.5, "what WCAG 2.2 asks for texts (1.4.3)"
    brightness = float(np.asarray(chromium.screenshot()[:60, :20]).mean())
    assert (brightness < 60) is dark
