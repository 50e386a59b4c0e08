"""A process that behaves as the supervisor's tests need: it serves a ready page, or doesn't.

Usage: python toy_part.py PORT [MODE]; modes: good, fails (exits 1 with a last word), deaf (ignores
SIGTERM), silent (never listens), mute-on-usr1 (stops answering after SIGUSR1).
"""

import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

MUTE = threading.Event()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if MUTE.is_set():
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
    signal.signal(signal.SIGUSR1, lambda *_: MUTE.set())
    if mode == "silent":
        threading.Event().wait()
    HTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    main()
