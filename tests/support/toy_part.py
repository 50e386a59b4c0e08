"""A process that behaves as the supervisor's tests need: it serves a ready page, or doesn't.

Usage: python toy_part.py PORT [MODE]; modes: good, fails (exits 1 with a last word), deaf (ignores
SIGTERM), silent (never listens), grpc (serves gRPC's health check instead of a page), door (its
statistics name the part "fronted" after SIGUSR1). Any other stops answering after SIGUSR1.
"""

import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

TOLD = threading.Event()


class Server(HTTPServer):
    """Answers for a part of one mode."""

    def __init__(self, port: int, mode: str) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.is_door = mode == "door"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        if self.path.startswith("/stats"):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"cluster.fronted.membership_healthy: %d\n" % TOLD.is_set())
            return
        if TOLD.is_set() and not self.server.is_door:
            self.send_error(503)
            return
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep the log to what the test wants in it."""


def main() -> None:
    port, mode = int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "good"
    if mode == "fails":
        print('{"event": "cannot start", "why": "the cat sat on it"}', file=sys.stderr)
        sys.exit(1)
    if mode == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGUSR1, lambda *_: TOLD.set())
    if mode == "silent":
        threading.Event().wait()
    if mode == "grpc":
        serve_health(port)
    Server(port, mode).serve_forever()


def serve_health(port: int) -> None:
    server = grpc.server(ThreadPoolExecutor(max_workers=1))
    servicer = health.HealthServicer()
    servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main()
