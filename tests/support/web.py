"""Serves a test's own answers on a loopback web server."""

import ssl
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

Answer = Callable[["Request"], None]


class Web:
    """Serves ``answers`` by path on 127.0.0.1 and a free port, and records the requests."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.answers: dict[str, Answer] = {}
        self.requests: list[Request] = []
        self.stopping = threading.Event()
        self._server = _Server(self)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._scheme = "http" if tls is None else "https"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def port(self) -> int:
        return self._server.server_port

    def link(self, path: str, host: str = "127.0.0.1") -> str:
        return f"{self._scheme}://{host}:{self.port}{path}"

    def add(self, path: str, body: bytes, media_type: str = "image/jpeg") -> str:
        """Serve these bytes; return the link."""
        self.answers[path] = lambda request: request.reply(200, body, {"Content-Type": media_type})
        return self.link(path)

    def asked(self, path: str) -> int:
        """Return how many requests a path got."""
        return sum(request.path == path for request in self.requests)


class Request(BaseHTTPRequestHandler):
    """One request, with the ways to answer it."""

    server: "_Server"
    body: bytes = b""

    def do_PUT(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    def do_GET(self) -> None:
        web = self.server.web
        web.requests.append(self)
        answer = web.answers.get(self.path)
        try:
            if answer is None:
                self.reply(404, b"nothing here")
            else:
                answer(self)
        except OSError:
            # The client has closed the connection, which many tests expect.
            self.close_connection = True

    def reply(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def drip(self, data: bytes, pause: float) -> None:
        """Write one byte after each pause, until all is written or the test ends."""
        for position in range(len(data)):
            self.wfile.write(data[position : position + 1])
            if self.server.web.stopping.wait(pause):
                return

    def be_silent(self) -> None:
        self.server.web.stopping.wait(60)

    def log_message(self, *_arguments: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = False

    def __init__(self, web: Web) -> None:
        self.web = web
        super().__init__(("127.0.0.1", 0), Request)

    def handle_error(self, *_arguments: object) -> None:
        pass


def http_date(seconds_from_now: float) -> str:
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + seconds_from_now))
