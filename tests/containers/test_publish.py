"""The engine's push to a registry that implements the part of the distribution protocol that a push needs."""

import base64
import hashlib
import json
import secrets
import tarfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import trio

from cloudkon.errors import ServiceError
from fleet.docker.engine import open_engine
from tests.containers.docker_cli import docker

LOGIN = ("AWS", "a token")


class Registry(ThreadingHTTPServer):
    """Keeps the blobs and manifests of logged-in clients (OCI distribution specification, pushing)."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Push)
        self.blobs: dict[str, bytes] = {}
        self.uploads: dict[str, bytes] = {}
        self.manifests: dict[str, bytes] = {}

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class Push(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Registry

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def _answer(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def _allowed(self) -> bool:
        wanted = "Basic " + base64.b64encode(":".join(LOGIN).encode()).decode()
        if self.headers.get("Authorization") == wanted:
            return True
        self._body()
        self._answer(401, WWW_Authenticate='Basic realm="tests"')
        return False

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        data = bytearray()
        while size := int(self.rfile.readline(), 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return bytes(data)

    def do_GET(self) -> None:
        if self._allowed():
            self._answer(200)

    def do_HEAD(self) -> None:
        if self._allowed():
            name = self.path.rpartition("/")[2]
            self._answer(200 if name in self.server.blobs or name in self.server.manifests else 404)

    def do_POST(self) -> None:
        if self._allowed():
            upload = secrets.token_hex(8)
            self.server.uploads[upload] = self._body()
            self._answer(202, Location=f"{self.path.partition('?')[0]}{upload}", Docker_Upload_UUID=upload)

    def do_PATCH(self) -> None:
        if self._allowed():
            upload = self.path.rpartition("/")[2]
            self.server.uploads[upload] += self._body()
            held = f"0-{len(self.server.uploads[upload]) - 1}"
            self._answer(202, Location=self.path, Docker_Upload_UUID=upload, Range=held)

    def do_PUT(self) -> None:
        if not self._allowed():
            return
        where, _, digest = self.path.partition("?digest=")
        last = where.rpartition("/")[2]
        if not digest:
            body = self._body()
            self.server.manifests[last] = body
            self._answer(201, Docker_Content_Digest="sha256:" + hashlib.sha256(body).hexdigest())
            return
        digest = digest.replace("%3A", ":")
        self.server.blobs[digest] = self.server.uploads.pop(last) + self._body()
        self._answer(201, Location=where, Docker_Content_Digest=digest)


@pytest.fixture
def image(engine: None, tmp_path: Path) -> Iterator[str]:
    """A small image: the requests are the same for all sizes."""
    (tmp_path / "file").write_bytes(secrets.token_bytes(100_000))
    with tarfile.open(tmp_path / "layer.tar", "w") as layer:
        layer.add(tmp_path / "file", "file")
    name = f"cloudkon/pushed-{secrets.token_hex(4)}:latest"
    docker("import", str(tmp_path / "layer.tar"), name)
    yield name
    docker("image", "rm", name)


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def push(image: str, host: str, login: tuple[str, str]) -> None:
    async def work() -> None:
        async with open_engine() as engine:
            await engine.push(image, f"{host}/some/worker", "tag", login)

    trio.run(work)


def test_pushed_image_arrives_whole_and_keeps_its_local_names(image: str, registry: Registry) -> None:
    push(image, registry.host, LOGIN)
    manifest = json.loads(registry.manifests["tag"])
    digests = [manifest["config"]["digest"], *(layer["digest"] for layer in manifest["layers"])]
    assert all("sha256:" + hashlib.sha256(registry.blobs[digest]).hexdigest() == digest for digest in digests)
    assert manifest["config"]["digest"] == docker("image", "inspect", "--format", "{{.Id}}", image).strip()
    assert registry.host not in docker("image", "ls", "--format", "{{.Repository}}")


def test_push_names_the_registry_that_refuses(image: str, registry: Registry) -> None:
    with pytest.raises(ServiceError, match=f"pushing {registry.host}/some/worker:tag failed"):
        push(image, registry.host, ("AWS", "an old token"))
    assert registry.host not in docker("image", "ls", "--format", "{{.Repository}}")
