"""The load generator against a sender that costs nothing: shows that no figure is the generator's own limit.

The sender is a child process that has all frames ready as one block of bytes and hands it to the kernel: what the
generator takes then, it can take from any server. One thread in each process.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from time import perf_counter
from typing import Final

from bench.bare import event_text
from bench.proof import prove_stream
from bench.swarm import Swarm

_BATCH: Final = 64
_HANDSHAKE_END: Final = b"\r\n\r\n"
_UPGRADED: Final = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
_CLOSE_1000: Final = b"\x88\x02\x03\xe8"


def server_frame(payload: bytes) -> bytes:
    """Return one unmasked text frame, as servers send."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 65_536:
        return bytes((0x81, 126)) + size.to_bytes(2, "big") + payload
    return bytes((0x81, 127)) + size.to_bytes(8, "big") + payload


def ready_made(events: int, batch: int) -> bytes:
    """Return all frames of a stream as one block: one event a frame, or ``batch`` events a frame; then the close."""
    texts = [event_text(seq, "x" * 100) for seq in range(1, events + 1)]
    if batch > 1:
        groups = (texts[i : i + batch] for i in range(0, events, batch))
        texts = [f'{{"type":"batch","run_id":"r","first_seq":1,"entries":[{",".join(group)}]}}' for group in groups]
    return b"".join(server_frame(text.encode()) for text in texts) + _CLOSE_1000


def blast(port: int, sockets: int, events: int, batch: int) -> None:
    """Be the sender: wait for ``sockets`` clients at ``port``, then write one block to all, 64 KiB each in turn."""
    block = memoryview(ready_made(events, batch))
    with socket.create_server(("127.0.0.1", port), backlog=sockets) as listener:
        print("ready", flush=True)
        peers = [_upgraded(listener) for _ in range(sockets)]
        # The generator's clock starts when it asks on its last socket.
        peers[-1].recv(1)
        for start in range(0, len(block), 65_536):
            for peer in peers:
                peer.sendall(block[start : start + 65_536])
        for peer in peers:
            peer.recv(64)
            peer.close()


def _upgraded(listener: socket.socket) -> socket.socket:
    """Take one client and upgrade it without looking at what it asks."""
    peer, _ = listener.accept()
    head = b""
    while _HANDSHAKE_END not in head:
        head += peer.recv(4096)
    peer.sendall(_UPGRADED)
    return peer


def _take(sockets: int, events: int, batch: int) -> float:
    """Return the events a second that the generator takes from the sender."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "bench.ceiling", str(port), str(sockets), str(events), str(batch)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as sender, Swarm("127.0.0.1", port) as swarm:
        assert sender.stdout is not None
        sender.stdout.readline()
        connections = [swarm.open("/", {}) for _ in range(sockets)]
        started = perf_counter()
        connections[-1].send(b"!")
        swarm.run_until_closed(60.0)
        elapsed = perf_counter() - started
    for connection in connections:
        prove_stream(connection, events, durable=False)
    return sockets * events / elapsed


def measure_ceiling() -> dict[str, float]:
    """Return what the generator takes at most, in events or deliveries a second."""
    return {
        "one_stream_one_event_a_frame": _take(1, 200_000, 1),
        "one_stream_batches_of_64": _take(1, 200_000, _BATCH),
        "200_sockets_one_event_a_frame": _take(200, 2_000, 1),
        "200_sockets_batches_of_64": _take(200, 5_000, _BATCH),
    }


if __name__ == "__main__":
    blast(*map(int, sys.argv[1:5]))
