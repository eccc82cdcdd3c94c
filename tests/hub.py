"""A server on loopback that answers like the Hugging Face hub."""

import contextlib
import hashlib
import http.server
import threading


@contextlib.contextmanager
def serve(content, behaviours):
    """Serves one file as that of every repository whose tag has a behaviour: whole, damaged (one byte), cut off."""

    class Hub(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.answer()

        def do_GET(self):
            body = self.answer()
            if body is not None:
                self.wfile.write(body)

        def answer(self):
            tag = self.path.split("/resolve/")[0].rsplit(".", 1)[-1]
            behaviour = behaviours.get(tag)
            if behaviour is None:
                self.send_response(404)
                self.send_header("X-Error-Code", "RepoNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return None
            self.send_response(200)
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", "0" * 40)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if behaviour == "damaged":
                return content[:-1] + bytes([content[-1] ^ 1])
            return content if behaviour == "whole" else content[: len(content) // 2]

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
