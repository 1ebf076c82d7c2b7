"""Servers of object storage on loopback: moto's, which is nobody's of ours, and one that refuses as it is told."""

import logging
import socket
import threading
import time
import urllib.request
import uuid
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


def environment(port):
    """What a user would set for a server of their own."""
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
    }


def one_put_at_a_time():
    """Make moto's server keep what S3 promises: it looks whether an object is there, and writes it, in two steps."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication

    answer, lock = DomainDispatcherApplication.__call__, threading.Lock()

    def in_turn(self, environ, start_response):
        if environ["REQUEST_METHOD"] != "PUT":
            return answer(self, environ, start_response)
        with lock:
            return answer(self, environ, start_response)

    DomainDispatcherApplication.__call__ = in_turn


class S3:
    """moto in a thread of this process."""

    def __init__(self):
        from moto.server import ThreadedMotoServer

        one_put_at_a_time()
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        self.port = self._server.get_host_and_port()[1]

    def new_bucket(self):
        name = f"bucket-{uuid.uuid4().hex[:8]}"
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/{name}", method="PUT")
        urllib.request.urlopen(request).close()
        return name

    def stop(self):
        self._server.stop()


@contextmanager
def refusing(
    status, code="", methods=("GET", "PUT", "POST", "DELETE", "HEAD"), headers=(), also=lambda handler: None
):
    """A server that answers these methods with an error, and others with an empty listing; yields its port."""
    body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>No</Message></Error>'.encode()
    empty = b"<ListBucketResult><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>"

    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            also(self)
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            refused = self.command in methods
            text = body if refused else empty
            self.send_response(status if refused else 200)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(text)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer  # noqa: N815

        def log_message(self, *words):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def hanging():
    """A server that takes connections and never answers; yields its port."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def wait_until(true, seconds=10.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never became true"
        time.sleep(0.02)
