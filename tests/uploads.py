"""A server on loopback that takes a commit as the Hugging Face hub does, and gives its files back."""

import base64
import contextlib
import hashlib
import http.server
import json
import threading


@contextlib.contextmanager
def serve(token):
    """Yields (address, {repository: {file: content}}); who doesn't say the token is refused."""
    files: dict = {}

    class Hub(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Authorization") != f"Bearer {token}":
                return self.answer({"error": "Invalid credentials in Authorization header"}, 401)
            if self.path == "/api/repos/create":
                name = json.loads(body)
                name = f"{name.get('organization') or 'me'}/{name['name']}"
                files.setdefault(name, {})
                return self.answer({"url": f"{address}/{name}"})
            if self.path == "/api/validate-yaml":
                return self.answer({"errors": [], "warnings": []})
            repository, _, call = self.path.removeprefix("/api/models/").partition("/main")[0].rpartition("/")
            if call == "preupload":
                wanted = json.loads(body)["files"]
                modes = [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in wanted]
                return self.answer({"files": modes})
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    files[repository][line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            return self.answer({"commitUrl": f"{address}/{repository}/commit/{'1' * 40}", "commitOid": "1" * 40})

        def do_GET(self):
            content = self.content()
            if content is not None:
                self.wfile.write(content)

        def do_HEAD(self):
            self.content()

        def content(self):
            if self.path == "/api/whoami-v2":
                return self.answer({"name": "me", "type": "user", "orgs": []})
            repository, _, name = self.path.lstrip("/").partition("/resolve/main/")
            content = files.get(repository, {}).get(name)
            if content is None:
                return self.answer({"error": "Entry not found"}, 404)
            etag = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": "1" * 40}
            self.head(200, len(content), etag)
            return content

        def answer(self, value, code=200):
            content = json.dumps(value).encode()
            self.head(code, len(content), {"Content-Type": "application/json"})
            if self.command != "HEAD":
                self.wfile.write(content)

        def head(self, code, length, headers):
            self.send_response(code)
            for name, value in {**headers, "Content-Length": str(length)}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield address, files
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
