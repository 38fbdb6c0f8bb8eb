"""Downloads over the loopback: resumed, verified, mirrored, and done once."""

import hashlib
import http.server
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lgbench import Source
from lgbench.data import DataHome
from lgbench.data import download as module
from lgbench.data.download import download
from lgbench.errors import BadData, DataMissing

CONTENT = bytes(range(256)) * 400
SHA256 = "sha256:" + hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves CONTENT as /good; /cut breaks off once, /ignores knows no ranges, /other has another file."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str | None]] = []
        self.hold: Callable[[], None] = lambda: None

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers["Range"]
        self.server.asked.append((self.path, asked))
        self.server.hold()
        if self.path == "/absent":
            self.send_error(404)
            return
        if self.path == "/busy" and len(self.server.asked) == 1:
            self.send_error(503)
            return
        content = CONTENT[::-1] if self.path == "/other" else CONTENT
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.path != "/ignores" else 0
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        cut = self.path in ("/cut", "/ignores") and len(self.server.asked) == 1
        self.wfile.write(content[start : 30_000 if cut else None])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(module, "PATIENCE", 0.01)
    monkeypatch.setenv("no_proxy", "*")
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def test_a_file_arrives_whole_and_reports_progress(server: Server, tmp_path: Path):
    seen = []
    download(Source("a", (server.url("/good"),), SHA256), tmp_path / "a", lambda *report: seen.append(report))
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert seen[-1] == ("a", len(CONTENT), len(CONTENT))
    assert not (tmp_path / "a.part").exists()


def test_an_md5_is_verified_too(server: Server, tmp_path: Path):
    source = Source("a", (server.url("/good"),), "md5:" + hashlib.md5(CONTENT).hexdigest())
    download(source, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT


def test_a_broken_transfer_goes_on_where_it_stopped(server: Server, tmp_path: Path):
    download(Source("a", (server.url("/cut"),), SHA256), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert server.asked == [("/cut", None), ("/cut", "bytes=30000-")]


def test_a_later_call_goes_on_from_what_an_earlier_one_left(server: Server, tmp_path: Path):
    (tmp_path / "a.part").write_bytes(CONTENT[:12_345])
    download(Source("a", (server.url("/good"),), SHA256), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert server.asked == [("/good", "bytes=12345-")]


def test_a_complete_part_is_used_without_another_transfer(server: Server, tmp_path: Path):
    (tmp_path / "a.part").write_bytes(CONTENT)
    download(Source("a", (server.url("/good"),), SHA256), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT


def test_a_server_that_ignores_ranges_starts_anew(server: Server, tmp_path: Path):
    download(Source("a", (server.url("/ignores"),), SHA256), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT


def test_a_part_of_another_file_is_thrown_away(server: Server, tmp_path: Path):
    (tmp_path / "a.part").write_bytes(b"x" * 500)
    download(Source("a", (server.url("/good"),), SHA256), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert [asked for _, asked in server.asked] == ["bytes=500-", None]


def test_a_server_that_is_busy_is_asked_again(server: Server, tmp_path: Path):
    download(Source("a", (server.url("/busy"),), SHA256), tmp_path / "a")
    assert len(server.asked) == 2


def test_a_wrong_file_is_not_kept(server: Server, tmp_path: Path):
    with pytest.raises(DataMissing, match=r"checksum is sha256:.*expected sha256:"):
        download(Source("a", (server.url("/other"),), SHA256), tmp_path / "a")
    assert not (tmp_path / "a").exists()
    assert not (tmp_path / "a.part").exists()


def test_the_second_mirror_serves_when_the_first_is_dead_or_wrong(server: Server, tmp_path: Path):
    dead = "http://127.0.0.1:9/never"  # the port that discards: nobody listens
    urls = (dead, server.url("/absent"), server.url("/other"), server.url("/good"))
    download(Source("a", urls, SHA256), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert [path for path, _ in server.asked] == ["/absent", "/other", "/good"]


def test_two_processes_transfer_a_file_once(server: Server, tmp_path: Path):
    code = (
        "import sys; from pathlib import Path; from lgbench import Source; from lgbench.data import DataHome;"
        "DataHome(Path(sys.argv[1])).fetch('x', [Source('a', (sys.argv[2],), sys.argv[3])])"
    )
    command = [sys.executable, "-c", code, str(tmp_path), server.url("/good"), SHA256]
    both = threading.Event()
    server.hold = lambda: both.wait(20) and None
    processes = [subprocess.Popen(command) for _ in range(2)]
    threading.Timer(2, both.set).start()  # both have reached the lock by then
    assert [process.wait(60) for process in processes] == [0, 0]
    assert (tmp_path / "files/x/a").read_bytes() == CONTENT
    assert len(server.asked) == 1


def test_without_a_network_the_error_fits_a_screen_and_says_all(tmp_path: Path):
    urls = ("http://127.0.0.1:9/big.tgz",)
    sources = [Source(f"file{i}", urls, SHA256, 1_234_567) for i in range(4)]
    home = DataHome(tmp_path)
    with pytest.raises(DataMissing) as caught:
        home.fetch("flowers", sources)
    text = str(caught.value)
    for part in ("file0", "file3", "1,234,567", SHA256, urls[0], str(home.folder("flowers")), "--dataset flora"):
        assert part in text
    for part in ("digits-one", "folder:PATH", "lgbench data add NAME FILE.zip"):
        assert part in text
    assert len(text.splitlines()) <= 24


def test_a_file_somebody_placed_is_used_and_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    home = DataHome(tmp_path)
    home.folder("x").mkdir(parents=True)
    (home.folder("x") / "a").write_bytes(CONTENT)
    source = Source("a", (), SHA256)
    assert home.fetch("x", [source]) == home.folder("x")
    monkeypatch.setattr("lgbench.data.home.checksum_of_file", lambda *_: pytest.fail("hashed again"))
    home.fetch("x", [source])


def test_a_changed_file_is_hashed_again_and_refused(tmp_path: Path):
    home, source = DataHome(tmp_path), Source("a", (), SHA256)
    home.folder("x").mkdir(parents=True)
    (home.folder("x") / "a").write_bytes(CONTENT)
    home.fetch("x", [source])
    (home.folder("x") / "a").write_bytes(b"other")
    with pytest.raises(BadData, match=r"expected sha256:") as caught:
        home.fetch("x", [source])
    assert hashlib.sha256(b"other").hexdigest() in str(caught.value)
    home.fetch("x", [source], accept=lambda source, path, found: path.name == "a")


def test_an_optional_file_that_cannot_be_had_stops_nothing(server: Server, tmp_path: Path):
    wanted = Source("a", (server.url("/good"),), SHA256)
    folder = DataHome(tmp_path).fetch("x", [wanted, Source("b", (server.url("/absent"),), SHA256, optional=True)])
    assert {path.name for path in folder.iterdir() if not path.name.startswith(".")} == {"a"}


def test_home_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("LGBENCH_HOME", raising=False)
    assert DataHome().root == tmp_path / "cache" / "lgbench"
    monkeypatch.setenv("LGBENCH_HOME", str(tmp_path / "home"))
    assert DataHome().root == tmp_path / "home"
    assert DataHome(tmp_path / "given").root == tmp_path / "given"
