"""A program that has taken the emulator's port gets nothing: no task, no signature, no trust in what it answers."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trio

from cloudkon.aws import Connection, connect
from cloudkon.aws.emulator_save import save_emulator
from cloudkon.aws.server_proof import LABEL, PATH, UnprovenServer, check_server
from cloudkon.errors import EXIT_FAILED, ServiceError, Unavailable
from cloudkon.model import Outgoing
from cloudkon.settings import SECRET_FILE, Settings
from fleet.local.emulator_process import wait_until_healthy
from fleet.local.emulator_server import interface, proof
from fleet.local.emulator_server.proof import Prover
from tests.support.patience import PATIENCE

SECRET, PORT = "of this fleet", 4567
LOOPBACK = "127.0.0.1"
Answer = Callable[[str, tuple[str, int]], bytes]
"""Returns the answer to a request for a proof, from its path and the server's address."""


class Server(ThreadingHTTPServer):
    """Answers requests for a proof in some way, and all others as an SQS without messages; remembers what it got."""

    daemon_threads = True

    def __init__(self, answer: Answer) -> None:
        super().__init__((LOOPBACK, 0), _Handler)
        self.answer, self.received = answer, list[str]()
        self.connections = 0

    @property
    def address(self) -> tuple[str, int]:
        return LOOPBACK, self.server_port

    @property
    def sent_to_it(self) -> list[str]:
        """What it received apart from requests for a proof."""
        return [line for line in self.received if not line.startswith(f"GET {PATH}?nonce=")]

    def process_request(self, request: object, client_address: object) -> None:
        self.connections += 1
        super().process_request(request, client_address)  # type: ignore[arg-type]  # as the server got them


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def handle_expect_100(self) -> bool:
        return True

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server.received.append(self.requestline)
        self._answer(self.server.answer(self.path, self.server.address))

    def do_POST(self) -> None:
        self.server.received.append(self.requestline)
        self.rfile.read(int(self.headers["content-length"]))
        self._answer(b'{"QueueUrl": "http://127.0.0.1/q", "Attributes": {}, "problem": ""}')

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _proves(secret: str, port: int = 0) -> Answer:
    """Answer as the emulator with this secret does, which was reached at ``port``; at its own for 0."""

    def answer(path: str, address: tuple[str, int]) -> bytes:
        return Prover(secret).proof(path.partition("?")[2].encode(), address[0], port or address[1])

    return answer


IMPOSTORS: dict[str, Answer] = {
    "with another secret": _proves("of another fleet"),
    "that asks the emulator at its new port": _proves(SECRET, PORT),
    "that says nothing": lambda *_: b"",
    "that repeats an old proof": lambda *_: Prover(SECRET).proof(b"nonce=" + b"0" * 64, LOOPBACK, PORT),
    "that returns the nonce": lambda path, _: path.rpartition("=")[2].encode(),
    "that says more than a proof": lambda path, address: _proves(SECRET)(path, address) + b" ",
    "that talks without end": lambda *_: b"x" * 1_000_000,
    "that lets everyone in": lambda *_: b"{}",
}


@contextmanager
def _serving(answer: Answer) -> Iterator[Server]:
    with Server(answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / SECRET_FILE).write_text(f"{SECRET}\n")
    return tmp_path


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some impostors are silent, and each costs the whole time."""
    monkeypatch.setattr(check_server, "__defaults__", (0.3,))


def _settings(server: Server, directory: Path, target: str = "local") -> Settings:
    return Settings(target=target, endpoint_url=f"http://{LOOPBACK}:{server.server_port}", state_dir=directory)


def test_names_are_those_of_the_emulators_server() -> None:
    assert (PATH, LABEL) == (interface.PROOF_PATH, proof.LABEL)


@pytest.mark.parametrize("kind", IMPOSTORS)
def test_impostor_gets_no_request(kind: str, directory: Path) -> None:
    with _serving(IMPOSTORS[kind]) as server:
        queue = connect(_settings(server, directory)).queues["worker"]
        with pytest.raises(ServiceError) as caught:
            trio.run(queue.send, [Outgoing("a task")])
        with pytest.raises(ServiceError):
            trio.run(queue.receive, 1, 0, 30)
        assert server.received
        assert server.sent_to_it == []
    assert caught.value.exit_code == EXIT_FAILED
    assert "\n" not in str(caught.value)


def test_error_names_the_port_and_the_remedy(directory: Path) -> None:
    with _serving(_proves("of another fleet")) as server:
        settings = _settings(server, directory)
        with pytest.raises(UnprovenServer) as caught:
            trio.run(connect(settings).queues["worker"].depth)
        assert str(caught.value) == (
            f"endpoint {settings.endpoint_url}: what listens on port {server.server_port} does not prove that it is "
            "this fleet's emulator, so nothing was sent to it. Start the fleet again with: python -m fleet up (or, to "
            "use an emulator of your own, set CLOUDKON_TARGET=docker)"
        )


def test_saving_takes_an_impostor_for_no_emulator(directory: Path) -> None:
    with _serving(_proves("of another fleet")) as server:
        with pytest.raises(Unavailable, match="does not prove"):
            trio.run(save_emulator, _settings(server, directory))
        assert server.sent_to_it == []


def test_each_connection_is_proven_once(directory: Path) -> None:
    with _serving(_proves(SECRET)) as server:
        connection = Connection(_settings(server, directory))
        client = connection.client("sqs")
        for _ in range(3):
            client.get_queue_url(QueueName="q")
        assert [line.split()[0] for line in server.received] == ["GET", "POST", "POST", "POST"]
        client.close()
        client.get_queue_url(QueueName="q")
        assert [line.split()[0] for line in server.received[4:]] == ["GET", "POST"]
        trio.run(save_emulator, _settings(server, directory))
        assert [line.split()[0] for line in server.received[6:]] == ["GET", "POST"]


@pytest.mark.parametrize("target", ["docker", "aws"])
def test_emulators_of_other_kinds_need_no_proof(directory: Path, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    with _serving(lambda *_: b"") as server:
        Connection(_settings(server, directory, target)).client("sqs").get_queue_url(QueueName="q")
        assert [line.split()[0] for line in server.received] == ["POST"]


def test_server_that_sends_byte_after_byte_is_left_in_time() -> None:
    """The time is for the whole answer: else a drip would hold a thread for hours."""
    with socket.create_server((LOOPBACK, 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        server, _ = listener.accept()
        over = threading.Event()

        def drip() -> None:
            while not over.wait(0.01):
                server.sendall(b"H")

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            with pytest.raises(TimeoutError):
                check_server(client, SECRET, 0.2)
        finally:
            over.set()
            thread.join()
            server.close()


def test_supervisor_waits_for_the_emulator_with_its_secret() -> None:
    async def is_healthy(server: Server) -> bool:
        with trio.move_on_after(0.5):
            await wait_until_healthy(server.server_port, SECRET)
            return True
        return False

    async def becomes_healthy(server: Server) -> None:
        with trio.fail_after(PATIENCE):
            await wait_until_healthy(server.server_port, SECRET)

    with _serving(_proves("of another fleet")) as server:
        assert not trio.run(is_healthy, server)
    with _serving(_proves(SECRET)) as server:
        trio.run(becomes_healthy, server)
