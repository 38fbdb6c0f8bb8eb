"""Downloads over the loopback: resumed, verified, mirrored, and done once."""

import errno
import hashlib
import http.client
import http.server
import io
import os
import resource
import socket
import ssl
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from lgbench import Source
from lgbench.data import DataHome, add_archive
from lgbench.data import download as module
from lgbench.data.download import download
from lgbench.errors import BadData, DataMissing, RunFailed

CONTENT = bytes(range(256)) * 400
SHA256 = "sha256:" + hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves CONTENT as /good; /cut breaks off once, /ignores knows no ranges, /other has another file.

    /drops breaks off after each 12,000 bytes, /stops after the first, and so does /restarts, which knows no ranges.
    """

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
        if self.path in ("/absent", "/refuses"):
            self.send_error(404 if self.path == "/absent" else 416)
            return
        if self.path == "/busy" and len(self.server.asked) == 1:
            self.send_error(503)
            return
        content = CONTENT[::-1] if self.path == "/other" else CONTENT
        ranged = self.path not in ("/ignores", "/restarts")
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and ranged else 0
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        cut = self.path in ("/cut", "/ignores") and len(self.server.asked) == 1
        end = 30_000 if cut else None
        if self.path == "/drops":
            end = start + 12_000
        elif self.path in ("/stops", "/restarts"):
            end = 12_000
        self.wfile.write(content[start:end])

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


def test_transfers_that_break_off_go_on_as_long_as_each_brings_something(server: Server, tmp_path: Path):
    download(Source("a", (server.url("/drops"),), SHA256), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert len(server.asked) == -(-len(CONTENT) // 12_000) > 2 * module.RETRIES


@pytest.mark.parametrize("path", ["/stops", "/restarts"])
def test_transfers_that_bring_nothing_new_end(server: Server, tmp_path: Path, path: str):
    with pytest.raises(DataMissing, match="the connection ended after 12,000 of 102,400 bytes"):
        download(Source("a", (server.url(path),), SHA256), tmp_path / "a")
    assert len(server.asked) == 1 + module.RETRIES
    assert (tmp_path / "a.part").stat().st_size == 12_000


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


def test_a_mirror_that_refuses_a_range_nobody_asked_for_is_passed_over(server: Server, tmp_path: Path):
    download(Source("a", (server.url("/refuses"), server.url("/good")), SHA256), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert server.asked == [("/refuses", None), ("/good", None)]


def test_two_processes_transfer_a_file_once(server: Server, tmp_path: Path):
    code = (
        "import sys; from pathlib import Path; from lgbench import Source; from lgbench.data import DataHome;"
        "DataHome(Path(sys.argv[1])).fetch('x', [Source('a', (sys.argv[2],), sys.argv[3])])"
    )
    command = [sys.executable, "-c", code, str(tmp_path), server.url("/good"), SHA256]
    both = threading.Event()
    server.hold = lambda: both.wait() and None
    processes = [subprocess.Popen(command) for _ in range(2)]
    threading.Timer(2, both.set).start()  # both have reached the lock by then
    assert [process.wait() for process in processes] == [0, 0]
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


BREAKS = [
    ssl.SSLError("record layer failure"),
    ssl.SSLEOFError(8, "EOF occurred in violation of protocol"),
    OSError(errno.EHOSTUNREACH, "No route to host"),
    OSError(errno.ENETDOWN, "Network is down"),
    OSError(errno.ETIMEDOUT, "Connection timed out"),
    ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
    http.client.IncompleteRead(b""),
]


@pytest.mark.parametrize("error", BREAKS, ids=lambda error: type(error).__name__)
def test_whatever_breaks_a_transfer_is_retried_and_then_the_next_mirror_serves(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
):
    real, asked = module.urllib.request.urlopen, []

    def urlopen(request: urllib.request.Request, timeout: float):
        asked.append(request.full_url)
        answer = real(request, timeout=timeout)
        if request.full_url.endswith("/ignores"):
            answer.read = lambda size: (_ for _ in ()).throw(error)
        return answer

    monkeypatch.setattr(module.urllib.request, "urlopen", urlopen)
    download(Source("a", (server.url("/ignores"), server.url("/good")), SHA256), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert [url.rpartition("/")[2] for url in asked] == ["ignores"] * 3 + ["good"]


@pytest.mark.parametrize(
    ("reason", "tries"),
    [
        (ssl.SSLEOFError(8, "EOF occurred"), 3),
        (OSError(errno.EHOSTUNREACH, "No route to host"), 3),
        (TimeoutError("timed out"), 3),
        (ssl.SSLCertVerificationError("self-signed"), 1),
        (ConnectionRefusedError("refused"), 1),
        (socket.gaierror(-2, "Name or service not known"), 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_connection_that_may_come_is_tried_again(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: Exception, tries: int
):
    real, asked = module.urllib.request.urlopen, []

    def urlopen(request: urllib.request.Request, timeout: float):
        asked.append(request.full_url)
        if request.full_url.endswith("first"):
            raise urllib.error.URLError(reason)
        return real(request, timeout=timeout)

    monkeypatch.setattr(module.urllib.request, "urlopen", urlopen)
    download(Source("a", (server.url("/first"), server.url("/good")), SHA256), tmp_path / "a")
    assert len(asked) == tries + 1


@pytest.mark.parametrize("room", [0, 30_000])
def test_a_full_disk_while_downloading_is_one_clear_line_and_keeps_what_came(server: Server, tmp_path: Path, room: int):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    source = Source("a", (server.url("/good"),), SHA256)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        with pytest.raises(RunFailed, match=r"Cannot write .*a\.part.*make room"):
            download(source, tmp_path / "a")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert len(server.asked) == 1
    download(source, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT


@pytest.mark.parametrize("content", ["[]", "5", "{", '{"a": 5}', '{"sha256 x": ["1"]}', "\udcff"])
def test_a_damaged_memory_of_checksums_is_forgotten(tmp_path: Path, content: str):
    home = DataHome(tmp_path)
    (tmp_path / "checksums.json").write_bytes(content.encode(errors="surrogateescape"))
    (tmp_path / "x").write_bytes(CONTENT)
    assert home.checksum(tmp_path / "x", "sha256") == SHA256.removeprefix("sha256:")


def test_a_memory_that_cannot_be_written_costs_nothing(tmp_path: Path, caplog):
    (tmp_path / "checksums.json").mkdir()
    (tmp_path / "x").write_bytes(CONTENT)
    for _ in range(2):
        assert DataHome(tmp_path).checksum(tmp_path / "x", "sha256") == SHA256.removeprefix("sha256:")
    assert caplog.text.count("not kept for next time") == 1


def test_a_file_that_was_replaced_under_its_size_and_time_is_hashed_again(tmp_path: Path):
    home, path = DataHome(tmp_path / "home"), tmp_path / "x"
    path.write_bytes(b"red ")
    state = path.stat()
    first = home.checksum(path, "sha256")
    path.write_bytes(b"blue")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert home.checksum(path, "sha256") != first


@pytest.mark.parametrize("home", [None, "~nobody-of-this-name/data", "FILE"])
def test_no_home_is_one_line_that_names_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str | None):
    def unknown(_: object) -> str:
        raise KeyError("uid not found")

    for name in ("LGBENCH_HOME", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    if home:
        (tmp_path / "FILE").touch()
        monkeypatch.setenv("LGBENCH_HOME", home.replace("FILE", str(tmp_path / "FILE")))
    with pytest.raises(RunFailed, match="LGBENCH_HOME"):
        DataHome()


def test_what_killed_additions_left_is_swept_by_the_next_one(tmp_path: Path):
    home = DataHome(tmp_path / "home")
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as archive:
        for index in range(3):
            picture = io.BytesIO()
            Image.new("RGB", (16, 16), (index, 0, 0)).save(picture, "png")
            archive.writestr(f"images/{index}.png", picture.getvalue())
        archive.writestr("labels.csv", "file\n" + "".join(f"images/{index}.png\n" for index in range(3)))
    (tmp_path / "home/archives").mkdir(parents=True)
    for name in (".mine.zip.ab12.part", ".mine.zip.cd34.part", ".other.zip.ef56.part"):
        (tmp_path / "home/archives" / name).touch()
    add_archive(home, "mine", tmp_path / "mine.zip")
    left = {path.name for path in (tmp_path / "home/archives").iterdir() if path.suffix != ".lock"}
    assert left == {"mine.zip", ".other.zip.ef56.part"}
