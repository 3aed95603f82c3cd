"""While the supervisor listens on the emulator's port, no other program gets what is meant for the emulator."""

import os
import shutil
import socket
import subprocess
import sys

import pytest

from fleet.local.listener import listen, port_of
from tests.support.patience import PATIENCE

NOBODY = "65534"
THIEF = """
import itertools, socket, sys
port, taken = int(sys.argv[1]), []
options = (socket.SO_REUSEADDR, socket.SO_REUSEPORT)
for host, chosen, v6_only in itertools.product(sys.argv[2:], [(), options[:1], options[1:], options], (0, 1)):
    one = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        for option in chosen:
            one.setsockopt(socket.SOL_SOCKET, option, 1)
        if one.family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6_only)
        one.bind((host, port))
        one.listen()
        one.setblocking(False)
    except OSError:
        one.close()
    else:
        taken.append((host, one))
print(*{host for host, _ in taken}, flush=True)
sys.stdin.read(1)
for _, one in taken:
    try:
        one.accept()
    except BlockingIOError:
        continue
    print("stolen", flush=True)
"""
"""Tries to listen on a port in every way, says where it could, and at the end whether a client has come."""


def test_port_is_kept_unless_it_is_in_use() -> None:
    with listen() as first:
        port = port_of(first)
    with listen(port) as again:
        assert port_of(again) == port
        with listen(port) as other:
            assert port_of(other) not in (0, port)


def test_port_is_taken_over_while_its_last_connections_are_in_time_wait() -> None:
    with listen() as first:
        port = port_of(first)
        client = socket.create_connection(("127.0.0.1", port), PATIENCE)
        first.accept()[0].close()
        client.close()
    with listen(port) as again:
        assert port_of(again) == port


def test_socket_that_was_bound_before_and_does_not_listen_yet_can_not_listen_any_more() -> None:
    with socket.socket() as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        thief.bind(("127.0.0.1", 0))
        with listen(thief.getsockname()[1]) as ours:
            if port_of(ours) == thief.getsockname()[1]:
                with pytest.raises(OSError, match="in use"):
                    thief.listen()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems let a socket of the same user take the port")
@pytest.mark.parametrize("user", ["ours", "another"])
def test_nobody_else_gets_a_connection_to_the_port(user: str) -> None:
    if user == "another" and (os.geteuid() != 0 or not shutil.which("setpriv")):
        pytest.skip("only root can run a program as another user")
    become = ["setpriv", f"--reuid={NOBODY}", "--clear-groups"] if user == "another" else []
    hosts = ["127.0.0.1", "0.0.0.0", "::", "::ffff:127.0.0.1"]
    with (
        listen() as ours,
        subprocess.Popen(
            [*become, sys.executable, "-c", THIEF, str(port_of(ours)), *hosts],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd="/",
        ) as thief,
    ):
        assert thief.stdout
        taken = thief.stdout.readline().split()
        assert not {"127.0.0.1", "::ffff:127.0.0.1"} & set(taken)
        for _ in range(3):
            with (
                socket.create_connection(("127.0.0.1", port_of(ours)), PATIENCE) as client,
                ours.accept()[0] as ours_to,
            ):
                ours_to.sendall(b"ours")
                assert client.recv(10) == b"ours"
        assert "stolen" not in thief.communicate("\n", PATIENCE)[0]
