"""Metadata services get no request, on a network of their own on which they really answer."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
IN_NAMESPACE = """
ip link set lo up
for address in 169.254.169.254/32 169.254.170.2/32 192.0.0.192/32 169.254.1.1/32; do ip addr add $address dev lo; done
for address in fd00:ec2::254/128 64:ff9b::a9fe:a9fe/128 2002:a9fe:a9fe::1/128; do ip addr add $address dev lo; done
exec "$0" -c "$1"
"""
FETCH = """
import http.server, json, socket, tempfile, threading
from pathlib import Path
from urllib.parse import unquote
import trio
from cloudkon.memory import MemoryStore
from cloudkon.settings import Settings
from images.animoto.fetch.fetch import Fetcher, Limits
from images.animoto.pictures.missing import Unusable

HOSTS = [
    "169.254.169.254", "2852039166", "0xa9fea9fe", "025177524776", "169.254.43518", "[::ffff:169.254.169.254]",
    "[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::1]", "169.254.170.2", "192.0.0.192", "[fd00:ec2::254]",
    "127.0.0.1", "169.254.1.1",
]
REDIRECTED = [f"127.0.0.1/to/{host}" for host in HOSTS]

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        reached.append(self.connection.getsockname()[0])
        target = unquote(self.path.removeprefix("/to/"))
        self.send_response(302 if target != self.path else 200)
        if target != self.path:
            self.send_header("Location", f"http://{target}/secret")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass

class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

async def fetched(host):
    with tempfile.TemporaryDirectory() as folder:
        try:
            await fetcher.fetch(f"http://{host}", Path(folder, "picture"))
        except Unusable as error:
            return error.reason
    return ""

async def fetch_all():
    return {host: await fetched(host) for host in [*HOSTS, *REDIRECTED]}

reached = []
fetcher = Fetcher(Settings(allow_private_links=True), MemoryStore(), Limits(attempts=1, connect=5.0))
server = Server(("::", 80), Answer)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(json.dumps([trio.run(fetch_all), sorted(set(reached))]))
"""


def test_metadata_services_get_no_request_with_private_links_allowed() -> None:
    unshare = shutil.which("unshare")
    command = [unshare or "", "--user", "--map-root-user", "--net"]
    if unshare is None or shutil.which("ip") is None or subprocess.run([*command, "true"], check=False).returncode:
        pytest.skip("no network namespaces here")
    inside = [*command, "sh", "-ec", IN_NAMESPACE, sys.executable, FETCH]
    done = subprocess.run(inside, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    reasons, reached = json.loads(done.stdout)
    fetched = {host for host, reason in reasons.items() if not reason}
    assert fetched == {"127.0.0.1", "169.254.1.1", "127.0.0.1/to/127.0.0.1", "127.0.0.1/to/169.254.1.1"}
    assert all("a metadata service hands out" in reasons[host] for host in reasons.keys() - fetched)
    assert reached == ["::ffff:127.0.0.1", "::ffff:169.254.1.1"]
