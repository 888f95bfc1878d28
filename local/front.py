"""The API's address on this machine: {api}/v1/... reaches the deployed REST API.

The emulator serves a REST API under a path of its own (/restapis/<id>/<stage>/_user_request_/...);
customers, tests and documentation use the address as it is in the cloud.
"""

import http.client
import string
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

MOST_BODY_BYTES = 10 * 1024 * 1024  # API Gateway's own limit
_TIMEOUT_S = 30
# As the gateway responses INTEGRATION_TIMEOUT and REQUESTTOO_LARGE of template.yaml have it
TOO_LATE = (
    b'{"type":"/problems/timeout","title":"The answer took longer than 29 seconds.","status":504,'
    b'"detail":"It may be done all the same. Send the same request again with the same Idempotency-Key; if it had none, '
    b'look first whether it was done.","errors":[]}'
)
TOO_LARGE = (
    b'{"type":"/problems/body_too_large","title":"The body is larger than 5 MB.","status":413,'
    b'"detail":"Send large files by POST /v1/uploads: up to 5 GB each.","errors":[]}'
)
_PROBLEM = {"Content-Type": "application/problem+json", "Access-Control-Allow-Origin": "*"}
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "host", "content-length", "date", "server"}


class Front:
    """A loopback HTTP server that passes requests on to the emulator and answers back.

    The first path segment is the stage, as in API Gateway's own addresses.
    """

    def __init__(self, *, port: int, emulator_port: int) -> None:
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.emulator_port = emulator_port

    def start(self, api_id: str) -> None:
        """Requests are passed on to this REST API from now on."""
        self._server.api_id = api_id
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()

    def stop(self) -> None:
        """The port is free when this returns. Only after `start`."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    emulator_port: int
    api_id: str


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it)
        pass

    def _pass_on(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > MOST_BODY_BYTES:
            self.close_connection = True
            self._answer(413, _PROBLEM, TOO_LARGE)
            return
        body = self.rfile.read(length)
        stage, _, rest = self.path.lstrip("/").partition("/")
        # curl sends ?name=Zoë as it is typed, and http.client refuses what is not escaped
        rest = quote(rest, safe=string.punctuation, encoding="latin-1")
        path = f"/restapis/{self.server.api_id}/{stage}/_user_request_/{rest}"
        upstream = http.client.HTTPConnection("127.0.0.1", self.server.emulator_port, timeout=_TIMEOUT_S)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
            upstream.request(self.command, path, body, headers | {"Content-Length": str(length)})
            response = upstream.getresponse()
            content = response.read()
        except OSError:
            self._answer(
                504,
                {**_PROBLEM, "Retry-After": "5", "Access-Control-Expose-Headers": "Retry-After"},
                TOO_LATE,
            )
            return
        finally:
            upstream.close()
        self._answer(response.status, dict(response.getheaders()), content)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _pass_on

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
