"""A proxy that answers CONNECT for every target by connecting to one address: the server under test."""

import socket
import threading

HEAD_LIMIT = 16 * 1024  # a CONNECT request is a few hundred bytes


class ConnectProxy:
    """Listens on a free loopback port from `start` on; `seen` lists the targets that clients asked for."""

    def __init__(self, host, port):
        self.target = (host, port)
        self.seen = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self._listener.getsockname()[1]

    def start(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def stop(self):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client:
            head = b""
            while b"\r\n\r\n" not in head and len(head) < HEAD_LIMIT:
                piece = client.recv(4096)
                if not piece:
                    return
                head += piece
            words = head.split(b"\r\n", 1)[0].split(b" ")
            if len(words) != 3 or words[0] != b"CONNECT":
                client.sendall(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
                return
            self.seen.append(words[1].decode("latin-1"))
            with socket.create_connection(self.target) as server:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=_pump, args=(server, client), daemon=True)
                back.start()
                _pump(client, server)
                back.join()


def _pump(source, sink):
    """Copies until the source ends, then tells the sink so."""
    try:
        while piece := source.recv(65536):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass
