"""An emulator of an older release answers, and does not know what a proof is."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from fleet.local.emulator_process import can_not_prove
from fleet.local.listener import listen, port_of


@pytest.fixture
def older() -> Iterator[int]:
    class Older(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(403)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Older)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def test_emulator_without_a_proof_is_one_of_an_older_release(older: int) -> None:
    assert can_not_prove(older, "secret")


def test_emulator_that_does_not_answer_yet_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleet.local.emulator_process.HEALTH_SECONDS", 0.1)
    with listen() as listener:
        port = port_of(listener)
        assert not can_not_prove(port, "secret")
    assert not can_not_prove(port, "secret")
