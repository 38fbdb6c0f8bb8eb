"""One process at a time, on file systems with locks and without; who holds a lock, and how it is taken over."""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import re
import socket
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from lgbench.data import alone
from lgbench.data import locks as waiting
from lgbench.errors import RunBusy, RunFailed
from lgbench.files import exclusive
from lgbench.locks import Holder, Lock, Taken

NO_LOCKS = [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EIO]
TAKER = "import sys; from pathlib import Path; from lgbench.locks import Lock; Lock(Path(sys.argv[1])).acquire(); "


ME = Holder(socket.gethostname(), os.getpid(), time.time(), noted=True)
BROKEN = [("process", "12"), ("process", -1), ("process", 0), ("process", 10**30), ("process", 1.5), ("since", "then")]


def without_locks(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def flock(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)


def left_by_a_dead_process(path: Path, **changes: object) -> None:
    """What a process leaves that took `path` by a note and was killed."""
    child = f"import fcntl, errno\ndef no(*a): raise OSError({errno.ENOLCK}, 'x')\nfcntl.flock = no\n{TAKER}"
    subprocess.run([sys.executable, "-c", child + "import os; os._exit(9)", str(path)], check=False)
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("number", [None, *NO_LOCKS])
def test_a_held_folder_is_refused_naming_host_process_and_since_when(tmp_path: Path, monkeypatch, number: int | None):
    if number:
        without_locks(monkeypatch, number)
    with exclusive(tmp_path, "this run"), pytest.raises(RunBusy) as refused, exclusive(tmp_path, "this run"):
        pass
    who = rf"process {os.getpid()} on {os.uname().nodename}, since \w+ \w+ +\d+ [\d:]+ \d+\. Wait for it"
    assert re.search(who, str(refused.value))
    with exclusive(tmp_path, "this run"):  # it was let go
        pass


@pytest.mark.parametrize("number", NO_LOCKS)
def test_a_note_of_a_dead_process_of_this_host_is_taken_over(tmp_path: Path, monkeypatch, caplog, number: int):
    left_by_a_dead_process(tmp_path / ".lock")
    without_locks(monkeypatch, number)
    with caplog.at_level(logging.WARNING), exclusive(tmp_path, "this run"):
        assert json.loads((tmp_path / ".lock").read_text())["process"] == os.getpid()
    assert "no locks" in caplog.text
    assert "which has ended" in caplog.text


def test_a_number_that_another_process_has_now_does_not_keep_a_lock(tmp_path: Path, monkeypatch):
    left_by_a_dead_process(tmp_path / ".lock", process=os.getpid(), born="long ago")
    without_locks(monkeypatch, errno.ENOLCK)
    with exclusive(tmp_path, "this run"):
        pass


@pytest.mark.parametrize(
    ("number", "noted"), [(None, True), *((number, noted) for number in NO_LOCKS for noted in (True, False))]
)
def test_a_note_of_another_host_is_respected_and_says_how_to_take_over(
    tmp_path: Path, monkeypatch, number: int | None, noted: bool
):
    left_by_a_dead_process(tmp_path / ".lock", host="node7", since=1_000_000_000.0, noted=noted)
    if number:
        without_locks(monkeypatch, number)
    with (
        pytest.raises(RunBusy, match=r"on node7, since \w+ Sep +\d+ [\d:]+ 2001.*delete .*\.lock"),
        exclusive(tmp_path, "this run"),
    ):
        pass
    (tmp_path / ".lock").unlink()
    with exclusive(tmp_path, "this run"):
        pass


def test_a_real_lock_that_a_killed_process_had_on_any_host_is_free(tmp_path: Path):
    subprocess.run([sys.executable, "-c", TAKER + "import os; os._exit(9)", str(tmp_path / ".lock")], check=False)
    noted = json.loads((tmp_path / ".lock").read_text())
    (tmp_path / ".lock").write_text(json.dumps(noted | {"host": "node7"}))
    with exclusive(tmp_path, "this run"):
        pass


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", "[]", '{"host": 1}', "\udcff"),
        *(json.dumps(asdict(replace(ME, **{part: value}))) for part, value in BROKEN),
    ],
    ids=["empty", "cut", "a list", "another host", "no text", *(f"{part}={value!r}" for part, value in BROKEN)],
)
def test_a_lock_file_of_any_content_can_be_taken(tmp_path: Path, monkeypatch, content: str):
    (tmp_path / ".lock").write_bytes(content.encode(errors="surrogateescape"))
    without_locks(monkeypatch, errno.ENOSYS)
    with exclusive(tmp_path, "this run"):
        pass


def test_a_note_that_appears_meanwhile_is_not_taken_away(tmp_path: Path, monkeypatch):
    from lgbench import locks

    without_locks(monkeypatch, errno.ENOSYS)
    first, put_aside = Lock(tmp_path / ".lock"), locks._put_aside

    def slowly(path: Path) -> None:
        monkeypatch.setattr(locks, "_put_aside", put_aside)
        first.acquire()  # between the second's look and its move
        put_aside(path)

    monkeypatch.setattr(locks, "_put_aside", slowly)
    with pytest.raises(Taken):
        Lock(tmp_path / ".lock").acquire()
    assert json.loads((tmp_path / ".lock").read_text())["process"] == os.getpid()


@pytest.mark.parametrize("number", [None, errno.ENOLCK])
def test_whoever_waits_goes_on_when_the_other_is_done(tmp_path: Path, monkeypatch, caplog, number: int | None):
    if number:
        without_locks(monkeypatch, number)
    monkeypatch.setattr(waiting, "PAUSE", 0.001)
    order, started = [], threading.Event()

    def second() -> None:
        with alone(tmp_path / "data", "the data"):
            order.append("second")

    with caplog.at_level(logging.WARNING), alone(tmp_path / "data", "the data"):
        thread = threading.Thread(target=second)
        monkeypatch.setattr(waiting.time, "sleep", lambda _: started.set())
        thread.start()
        started.wait()
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert caplog.text.count("waiting for it") == 1


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named_with_its_owner(tmp_path: Path):
    (tmp_path / "home").mkdir(mode=0o500)
    with pytest.raises(RunFailed, match="belongs to"), alone(tmp_path / "home" / "data", "the data"):
        pass


@pytest.mark.parametrize("reason", [errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR, errno.ENAMETOOLONG])
def test_what_cannot_be_locked_because_it_cannot_be_written_is_one_clear_line(tmp_path: Path, monkeypatch, reason: int):
    def refuse(*_: object, **__: object) -> int:
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr(os, "open", refuse)
    for hold in (lambda: alone(tmp_path / "data", "the data"), lambda: exclusive(tmp_path, "this run")):
        with pytest.raises(RunFailed, match=r"Cannot write .*choose another folder"), hold():
            pass


def test_a_lock_file_that_others_keep_to_themselves_is_done_without(tmp_path: Path, monkeypatch, caplog):
    (tmp_path / ".data.lock").touch()

    def refuse(*_: object, **__: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with caplog.at_level(logging.WARNING), alone(tmp_path / "data", "the data"):
        pass
    assert "Without a lock on the data" in caplog.text


def test_a_lock_that_others_own_is_taken_by_reading(tmp_path: Path, monkeypatch):
    (tmp_path / ".lock").touch()
    real = os.open

    def only_reading(path: str, flags: int, *mode: int) -> int:
        if flags & (os.O_RDWR | os.O_WRONLY):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, flags, *mode)

    monkeypatch.setattr(os, "open", only_reading)
    with exclusive(tmp_path, "this run"), pytest.raises(RunBusy), exclusive(tmp_path, "this run"):
        pass
