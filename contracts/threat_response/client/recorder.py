"""A proxy that passes calls on to a server under another host name, and writes down what it saw.

The client is told this proxy's address instead of the vendor's. That is all that is changed: what a customer does with
DNS and a certificate, done without either.
"""

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECONDS_PER_CALL = 30  # a call takes milliseconds; a busy machine may need more

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "host", "content-length"}


class Call:
    """One call: what was asked, and what was answered."""

    def __init__(self, service, method, path, headers, body, status, answer_headers, answer):
        self.service, self.method, self.path, self.headers, self.body = service, method, path, headers, body
        self.status, self.answer_headers, self.answer = status, answer_headers, answer

    def __str__(self):
        return f"{self.service}: {self.method} {self.path} {self.status}"


class Recorder:
    """One proxy for each service, on free ports of loopback; `hosts` says as which host the server is asked."""

    def __init__(self, address, port, hosts):
        self.calls = []
        self._servers = {name: self._server(name, host, address, port) for name, host in hosts.items()}
        for server in self._servers.values():
            threading.Thread(target=server.serve_forever, daemon=True).start()

    def url(self, service):
        return "http://127.0.0.1:%d" % self._servers[service].server_address[1]

    def urls(self):
        return {name: self.url(name) for name in self._servers}

    def taken(self):
        """The calls since the last time, in their order."""
        calls, self.calls = self.calls, []
        return calls

    def stop(self):
        for server in self._servers.values():
            server.shutdown()
            server.server_close()

    def _server(self, service, host, address, port):
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_call(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
                upstream = http.client.HTTPConnection(address, port, timeout=SECONDS_PER_CALL)
                upstream.request(self.command, self.path, body=body or None, headers={**headers, "Host": host})
                answer = upstream.getresponse()
                sent = answer.read()
                upstream.close()
                recorder.calls.append(Call(
                    service, self.command, self.path, self.headers, body, answer.status, answer.headers, sent,
                ))
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in HOP_BY_HOP:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_call

            def log_message(self, *args):
                pass

        return ThreadingHTTPServer(("127.0.0.1", 0), Handler)
