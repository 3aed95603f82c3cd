"""Attacks a worker with servers and files: each attack is refused by name, and stays within its limits."""

# ruff: noqa: ASYNC240  (a test has the loop to itself, and its files are small)

import gc
import json
import ssl
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pyvips
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from cloudkon.errors import PermanentFailure
from cloudkon.handler import Context
from cloudkon.memory import MemoryStore
from cloudkon.settings import Settings
from images.animoto.fetch.fetch import Fetcher, Limits
from images.animoto.ffmpeg import ffmpeg_process as ffmpeg
from images.animoto.ffmpeg.ffmpeg_process import Bounds, FfmpegFailed, run_ffmpeg
from images.animoto.pictures.missing import Outlook
from images.animoto.video import make_video
from tests.support import picture_corpus as corpus
from tests.support.films import processes_at
from tests.support.picture_corpus import RED, encoded, flat
from tests.support.web import Request, Web
from tests.unit.animoto.test_animoto_address_guard import Resolver
from tests.unit.animoto.test_animoto_fetch import refusal
from tests.unit.animoto.test_animoto_video import assert_nothing_left, job

ROOT = Path(__file__).parents[3]
ONCE = Limits(bytes=1_000_000, transfer=10.0, silence=5.0, attempts=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "1.picture"


@pytest.fixture
def fetcher(settings: Settings, store: MemoryStore) -> Fetcher:
    return Fetcher(settings, store, ONCE)


# Servers


def raw(answer: bytes) -> Callable[[Request], None]:
    """Send these bytes instead of a response, and close the connection."""

    def reply(request: Request) -> None:
        request.wfile.write(answer)
        request.close_connection = True

    return reply


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"302 Found\r\nLocation: http://[::1\r\n\r\n", "the server's answer can't be read: Invalid IPv6 URL"),
        (b"302 Found\r\nLocation: http://%zz/?key=secret\r\n\r\n", "the address can't be read"),
        (b"302 Found\r\nLocation: http://a..b/\r\n\r\n", "is not a valid host name"),
        (b"302 Found\r\nLocation: http://x:99999/\r\n\r\n", "the address can't be read"),
        (b"302 Found\r\nLocation:\r\n\r\n", "redirects more than 5 times"),
        (b"302 Found\r\n\r\n", "answers HTTP 302"),
        (b"503 Busy\r\nRetry-After: Mon, 01 Jan 2024 00:00:00 +99999999999999999\r\n\r\n", "busy or broken"),
        (b"200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\nhello", "the server's answer can't be read"),
        (b"200 OK\r\nContent-Length: 5, 6\r\n\r\nhello", "Content-Length contained multiple unmatching values"),
        (b"200 OK\r\nContent-Length: 99999\r\n\r\nhello", "connection failed"),
        (b"200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n", "connection failed"),
        (b"200 OK\r\nContent-Encoding: gzip\r\n\r\nhello", "decompressing"),
        (b"200 OK\r\nContent-Encoding: " + b"gzip, " * 9 + b"gzip\r\n\r\nhello", "Too many content encodings"),
        (b"200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", "got more than 100 headers"),
        (b"200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", "got more than 65536 bytes"),
        (b"999999 OK\r\n\r\n", "connection failed"),
    ],
)
async def test_malformed_response_is_refused_by_name(
    web: Web, fetcher: Fetcher, path: Path, answer: bytes, says: str
) -> None:
    web.answers["/one.jpg"] = raw(b"HTTP/1.1 " + answer)
    reason = (await refusal(fetcher, web.link("/one.jpg"), path)).reason
    # urllib3 leaves a response whose headers it refuses to the garbage collector, and Python 3.13 warns about its file.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    assert says in reason
    assert "secret" not in reason


async def test_bytes_after_the_declared_length_are_not_read(web: Web, fetcher: Fetcher, path: Path) -> None:
    web.answers["/one.jpg"] = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more")
    await fetcher.fetch(web.link("/one.jpg"), path)
    assert path.read_bytes() == b"hello"


async def test_too_long_content_length_exceeds_the_silence_limit(
    web: Web, settings: Settings, store: MemoryStore, path: Path
) -> None:
    def answer(request: Request) -> None:
        request.reply(200, b"hello", {"Content-Length": "99999"})
        request.be_silent()

    web.answers["/one.jpg"] = answer
    impatient = Fetcher(settings, store, Limits(silence=0.1, attempts=1))
    assert "does not answer" in (await refusal(impatient, web.link("/one.jpg"), path)).reason


async def test_expired_certificate_is_refused(settings: Settings, store: MemoryStore, tmp_path: Path) -> None:
    pem = tmp_path / "both.pem"
    pem.write_bytes(certificate_until(datetime.now(UTC) - timedelta(days=1)))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pem)
    trio.socket.set_custom_hostname_resolver(Resolver(["127.0.0.1"]))
    # The certificate is trusted: only its date is wrong.
    trusting = Fetcher(settings, store, ONCE, certificates=str(pem))
    with Web(tls) as web:
        error = await refusal(trusting, web.link("/one.jpg", host="pictures.test"), tmp_path / "1.picture")
    assert "certificate" in error.reason
    assert error.outlook is Outlook.NEVER


def certificate_until(end: datetime) -> bytes:
    """Return a self-signed certificate for pictures.test, after its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "pictures.test")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(end - timedelta(days=30))
        .not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("pictures.test")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pkcs8, bare = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, pkcs8, bare) + made.public_bytes(serialization.Encoding.PEM)


# Pictures

MEASURE = """
import json, sys
from pathlib import Path
from cloudkon.instructions.animoto import Fit
from images.animoto.timeline.film import Film
from images.animoto.pictures.missing import Unusable
from images.animoto.pictures.normalise import normalise

found = {}
for path in map(Path, sys.argv[1:]):
    try:
        normalise(path, Film(1920, 1080, 30), Fit.CONTAIN)
        found[path.name] = ""
    except Unusable as error:
        found[path.name] = error.reason
status = Path("/proc/self/status").read_text()
print(json.dumps([found, int(status.partition("VmHWM:")[2].split()[0]) / 1024]))
"""


@dataclass(frozen=True, slots=True)
class Decoded:
    """Why pictures were refused, by name (empty for accepted ones), and the process's peak memory in MiB."""

    reasons: dict[str, str]
    peak: float


def decoded_elsewhere(*pictures: Path) -> Decoded:
    """Normalise pictures to 1080p one after another, in a separate process."""
    command: list[str | Path] = [sys.executable, "-c", MEASURE, *pictures]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300)
    return Decoded(*json.loads(done.stdout))


def test_bombs_of_every_kind_are_refused_before_decoding(tmp_path: Path) -> None:
    bombs = corpus.bombs(30_000)
    assert max(map(len, bombs.values())) < 10_000
    found = decoded_elsewhere(*(corpus.saved(tmp_path / kind, data) for kind, data in bombs.items()))
    assert found.reasons.keys() == bombs.keys()
    for kind, reason in found.reasons.items():
        # The size that a WebP declares is compared with the coded one as soon as that is read.
        parts = "its parts have 900,000,000 pixels in all"
        says = {"WEBP": "damaged WebP", "HEIF": parts, "AVIF": parts}
        assert says.get(kind, "more than 100 million") in reason
    assert found.peak < 120, "MiB; 900 million pixels take 2,700"


def test_photo_of_fifty_megapixels_is_shrunk_while_decoding(tmp_path: Path) -> None:
    waves = pyvips.Image.sines(8160, 6120).linear(100, 128).cast("uchar")
    path = tmp_path / "50.jpg"
    waves.bandjoin([waves, waves]).copy(interpretation="srgb").jpegsave(str(path), Q=85)
    found = decoded_elsewhere(path)
    assert found.reasons == {"50.jpg": ""}
    assert found.peak < 120, "MiB; its pixels take 150"


def test_animation_is_read_up_to_its_first_frame(tmp_path: Path) -> None:
    frame = encoded(flat(RED, 1, 1), "GIF")[13:-1]  # without the file's header and trailer
    crowd = corpus.saved(tmp_path / "crowd.gif", encoded(flat(RED, 1, 1), "GIF")[:-1] + frame * 1_000_000 + b";")
    found = decoded_elsewhere(crowd)
    assert found.reasons == {"crowd.gif": ""}
    assert found.peak < 150, "MiB; a list of the frames alone takes 200"


# The whole job

PLAYLIST = b"#EXTM3U\n#EXTINF:1,\nhttp://169.254.170.2/v2/credentials\n"


async def test_job_of_only_unusable_pictures_names_each(web: Web, store: MemoryStore, context: Context) -> None:
    photo = encoded(corpus.scenery(1, 400, 300))
    web.answers["/short.jpg"] = lambda request: request.reply(200, photo, {"Content-Length": str(len(photo) // 2)})
    web.answers["/away.jpg"] = lambda request: request.reply(302, headers={"Location": "file:///etc/passwd"})
    troubles = {
        web.add("/empty.jpg", b""): "it is an empty file",
        web.add("/page.jpg", b"<!DOCTYPE html><title>Not found</title>"): "it is a web page;",
        web.add("/list.jpg", PLAYLIST): "it is a playlist;",
        web.add("/drawing.jpg", b"<svg xmlns='http://www.w3.org/2000/svg'/>"): "it is an SVG drawing;",
        web.add("/half.jpg", photo[: len(photo) // 2]): "it is a damaged JPEG (",
        web.link("/short.jpg"): "it is a damaged JPEG (",
        web.add("/bomb.jpg", corpus.png_bomb(30_000)): "30000 x 30000 pixels are more than 100 million",
        web.link("/away.jpg"): "it leads to file: and not to http or https",
        web.link("/none.jpg"): "nothing is there (HTTP 404)",
        "s3://payroll/one.jpg": "bucket payroll is neither the store (memory) nor named in CLOUDKON_LINK_BUCKETS",
        "http://pictures.invalid:x/": "the address can't be read",
    }
    fine = web.add("/fine.jpg", encoded(flat(RED)))
    with pytest.raises(PermanentFailure) as caught:
        await make_video(job(fine, *troubles), context, store)
    said = str(caught.value)
    assert said.startswith(f"{len(troubles)} of {len(troubles) + 1} pictures can't be used: ")
    for number, (link, reason) in enumerate(troubles.items(), 2):
        assert f"picture {number}, {link}: {reason}" in said
    assert_nothing_left(context)


@pytest.fixture
def context(context_for: Callable[..., Context]) -> Context:
    return context_for()


# # Limits of ffmpeg

LARGE = "color=size=4096x4096:duration=3600"


@pytest.mark.long
async def test_ffmpeg_is_limited_in_memory(tmp_path: Path) -> None:
    # The filter returns the frames in reverse order, so it has to keep them all: 25 MB each.
    arguments = ["-f", "lavfi", "-i", LARGE, "-vf", "reverse", "-f", "framecrc", "-"]
    given = bytearray()

    async def on_output(piece: bytes) -> None:
        given.extend(piece)

    failed = ""
    with trio.fail_after(120):
        try:
            await run_ffmpeg(
                arguments, directory=tmp_path, on_output=on_output, bounds=Bounds(memory_bytes=400 * 1024**2)
            )
        except FfmpegFailed as failure:
            failed = str(failure)
    # Once in 25 runs ffmpeg takes the lack of memory for the end of the film, writes what it has, and reports no error.
    assert "Cannot allocate memory" in failed or given.count(b"\n") < 100


async def test_ffmpeg_is_limited_in_processor_time(tmp_path: Path) -> None:
    arguments = ["-f", "lavfi", "-i", LARGE, "-f", "null", "-"]
    with trio.fail_after(120), pytest.raises(FfmpegFailed, match=r"was killed by SIG(KILL|XCPU)"):
        await run_ffmpeg(arguments, directory=tmp_path, bounds=Bounds(cpu_seconds=1))


async def test_children_of_ffmpeg_are_killed_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\nsleep 1000 &\necho started\nsleep 1000\n")
    program.chmod(0o700)
    monkeypatch.setattr(ffmpeg, "get_ffmpeg_exe", lambda: str(program))
    started = trio.Event()

    async def on_output(_piece: bytes) -> None:
        started.set()

    with trio.fail_after(120):
        async with trio.open_nursery() as nursery:

            async def run() -> None:
                await run_ffmpeg([], directory=tmp_path, on_output=on_output)

            nursery.start_soon(run)
            await started.wait()
            assert len(processes_at(tmp_path)) >= 2, "itself, and the first that it started"
            nursery.cancel_scope.cancel()
    with trio.fail_after(120):
        while processes_at(tmp_path):  # noqa: ASYNC110  (the kernel's events are not trio's)
            await trio.sleep(0.01)
