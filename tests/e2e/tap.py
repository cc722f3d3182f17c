"""What the functions send to SQS goes through here: written down, and doubled where asked."""

from __future__ import annotations

import http.client
import json
import sys
import threading
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

_SENDS: Final = ("AmazonSQS.SendMessage", "AmazonSQS.SendMessageBatch")
_NOT_PASSED: Final = frozenset({"host", "content-length", "connection", "transfer-encoding"})


class Tap:
    """A proxy of the local AWS on a port of 127.0.0.1. `bodies`: every message that was sent."""

    def __init__(self, aws_port: int) -> None:
        self._aws_port = aws_port
        self._lock = threading.Lock()
        self.bodies: list[str] = []
        self.doubled: frozenset[str] = frozenset()
        self._listener = _Listener(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._listener.server_address[1]}"
        self._thread = threading.Thread(target=self._listener.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown()
        self._listener.server_close()
        self._thread.join()

    def sent(self, account_ids: Iterable[str] | None = None) -> list[str]:
        """The messages sent so far, of some accounts or of all."""
        with self._lock:
            bodies = list(self.bodies)
        wanted = None if account_ids is None else set(account_ids)
        return [one for one in bodies if wanted is None or json.loads(one)["account_id"] in wanted]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        tap = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                target = self.headers.get("X-Amz-Target", "")
                if target in _SENDS and tap.note(json.loads(body)):
                    self._forward(body)
                status, headers, answer = self._forward(body)
                self.send_response_only(status)
                for name, value in headers:
                    if name.lower() not in _NOT_PASSED:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
                connection = http.client.HTTPConnection("127.0.0.1", tap._aws_port, timeout=30)
                try:
                    headers = {
                        name: value
                        for name, value in self.headers.items()
                        if name.lower() not in _NOT_PASSED
                    }
                    headers["Host"] = self.headers["Host"]  # which is signed
                    connection.request("POST", self.path, body, headers)
                    answer = connection.getresponse()
                    return answer.status, answer.getheaders(), answer.read()
                finally:
                    connection.close()

            def log_message(self, *_: object) -> None:
                """Silent."""

        return Handler

    def note(self, request: dict[str, Any]) -> bool:
        """Writes down what is sent; whether it is to be delivered twice."""
        bodies = [entry["MessageBody"] for entry in request.get("Entries", [request])]
        with self._lock:
            self.bodies += bodies
        return any(json.loads(body)["account_id"] in self.doubled for body in bodies)


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A function that was killed waits for no answer."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)
