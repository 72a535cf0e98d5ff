"""A client of the YAML language server, just large enough to ask what an editor asks.

Every wait is bounded. The server gets no way to fetch a schema but the file that a spec names.
"""

import json
import queue
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

PATIENCE: Final = 30.0
_LENGTH: Final = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
SETTINGS: Final = {
    "yaml": {
        "schemaStore": {"enable": False},
        "validate": True,
        "hover": True,
        "completion": True,
    }
}


@dataclass(slots=True)
class Server:
    """A running server; requests are answered one at a time."""

    process: "subprocess.Popen[bytes]"
    number: int = 0
    said: "queue.Queue[dict[str, Any]]" = field(default_factory=queue.Queue)
    problems: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def tell(self, method: str, **params: Any) -> None:
        """Send a notification."""
        self._send({"method": method, "params": params})

    def ask(self, method: str, **params: Any) -> Any:
        """Send a request and return its result."""
        self.number += 1
        number = self.number
        self._send({"id": number, "method": method, "params": params})
        while True:
            heard = self._hear()
            if heard.get("id") == number and "method" not in heard:
                assert "error" not in heard, heard
                return heard["result"]

    def open(self, path: Path, text: str) -> list[str]:
        """Open a text as a file of that name and return what the server finds wrong with it."""
        uri = path.as_uri()
        self.problems.pop(uri, None)
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        self.tell("textDocument/didOpen", textDocument=document)
        while uri not in self.problems:
            self._hear()
        return [str(problem["message"]) for problem in self.problems[uri]]

    def close(self, path: Path) -> None:
        """Close it again."""
        self.tell("textDocument/didClose", textDocument={"uri": path.as_uri()})

    def hover(self, path: Path, line: int, column: int) -> str:
        """Return what an editor shows where the mouse rests."""
        found = self.ask("textDocument/hover", **_at(path, line, column))
        return str(found["contents"]["value"]) if found else ""

    def completions(self, path: Path, line: int, column: int) -> list[str]:
        """Return what an editor offers there."""
        found = self.ask("textDocument/completion", **_at(path, line, column))
        return [str(item["label"]) for item in found["items"]]

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self.process.stdin.flush()

    def _hear(self) -> dict[str, Any]:
        """Take the next message; what the server asks is answered, what it finds is kept."""
        heard = self.said.get(timeout=PATIENCE)
        match heard.get("method"):
            case "textDocument/publishDiagnostics":
                self.problems[heard["params"]["uri"]] = heard["params"]["diagnostics"]
            case "workspace/configuration":
                items = heard["params"]["items"]
                held = [SETTINGS.get(item.get("section"), {}) for item in items]
                self._send({"id": heard["id"], "result": held})
            case str() if "id" in heard:
                self._send({"id": heard["id"], "result": None})
        return heard

    def listen(self, stream: BinaryIO) -> None:
        """Put every message of the server into the queue, until it ends."""
        while header := stream.readline():
            found = _LENGTH.match(header)
            if found:
                while stream.readline().strip():
                    pass
                self.said.put(json.loads(stream.read(int(found[1]))))


@contextmanager
def serving(program: Path, *, workspace: Path) -> Iterator[Server]:
    """Start a server for a workspace; it is gone after the block."""
    with subprocess.Popen(  # noqa: S603 - the server that CI installs
        [str(program), "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        server = Server(process)
        assert process.stdout
        ear = threading.Thread(target=server.listen, args=(process.stdout,), daemon=True)
        ear.start()
        try:
            server.ask(
                "initialize",
                processId=None,
                rootUri=workspace.as_uri(),
                workspaceFolders=[{"uri": workspace.as_uri(), "name": "specs"}],
                capabilities={
                    "workspace": {"configuration": True},
                    "textDocument": {
                        "hover": {"contentFormat": ["markdown"]},
                        "completion": {"completionItem": {"documentationFormat": ["markdown"]}},
                    },
                },
            )
            server.tell("initialized")
            server.tell("workspace/didChangeConfiguration", settings=SETTINGS)
            yield server
        finally:
            process.kill()
            process.wait(PATIENCE)
            ear.join(PATIENCE)


def _at(path: Path, line: int, column: int) -> dict[str, Any]:
    return {
        "textDocument": {"uri": path.as_uri()},
        "position": {"line": line, "character": column},
    }
