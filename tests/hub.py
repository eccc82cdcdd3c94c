"""A server on loopback that answers like the Hugging Face hub, and gives files of the web besides."""

import contextlib
import hashlib
import http.server
import threading
import time
from typing import NamedTuple


class Repository(NamedTuple):
    """What the server has of a repository.

    Args:
        files: {name: content}; under "web" they are plain files of the web, at /web/name.
        behaviour: "whole"; "damaged", one byte of each file; "cut off" in the middle of it; "slow", which takes a
            second for the second half; "redirect" to another address; "gated", "unauthorized" or "forbidden".
    """

    files: dict
    behaviour: str = "whole"


_REFUSALS = {  # {behaviour: (status, the hub's own code)}
    "absent": (404, "RepoNotFound"),
    "no file": (404, "EntryNotFound"),
    "no revision": (404, "RevisionNotFound"),
    "gated": (403, "GatedRepo"),
    "unauthorized": (401, ""),
    "forbidden": (403, ""),
}


@contextlib.contextmanager
def serve(repositories):
    """Serves {"owner/name": `Repository`}; gives the server's address."""

    class Hub(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.answer()

        def do_GET(self):
            content, behaviour = self.answer()
            if content is None:
                return
            half = len(content) // 2
            if behaviour == "damaged":
                content = content[:-1] + bytes([content[-1] ^ 1])
            with contextlib.suppress(ConnectionError):
                self.wfile.write(content[:half])
                if behaviour == "cut off":
                    return
                self.wfile.flush()
                time.sleep(behaviour == "slow")
                self.wfile.write(content[half:])

        def answer(self):
            """(content, behaviour), of which the headers are sent; or (None, why not)."""
            path = self.path.split("?")[0].lstrip("/")
            if path.startswith("web/"):
                repository, revision, name = "web", "main", path.removeprefix("web/")
            else:
                repository, _, rest = path.partition("/resolve/")
                revision, _, name = rest.partition("/")
            files, behaviour = repositories.get(repository, Repository({}, "absent"))
            if behaviour not in _REFUSALS and revision != "main":
                behaviour = "no revision"
            elif behaviour not in _REFUSALS and name not in files:
                behaviour = "no file"
            if behaviour in _REFUSALS:
                return self.refuse(*_REFUSALS[behaviour])
            content = files[name]
            if behaviour == "redirect" and "again" not in self.path:
                self.send_response(307)
                self.send_header("Location", f"{self.path}?again")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return None, behaviour
            self.send_response(200)
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", "0" * 40)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            return content, behaviour

        def refuse(self, status, code):
            self.send_response(status)
            if code:
                self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None, code

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
