"""One file from the first mirror that has it: resumed, verified, and never half there.

On urllib rather than pooch: pooch starts a transfer that broke from its beginning, and an official archive of several
hundred megabytes over a poor line then never arrives. Resuming takes one header; the rest is a checksum and a rename.
"""

from __future__ import annotations

import hashlib
import http.client
import logging
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from lgbench.errors import BadData, DataMissing
from lgbench.files import writing
from lgbench.offers import Source

from .locks import alone

__all__ = ["Progress", "checksum_of_file", "download"]

Progress = Callable[[str, int, int], None]
"""`(what, done, total)`, called often; `total` is 0 where it is not known."""

TIMEOUT = 30.0  # seconds without a byte
RETRIES = 3  # attempts in a row at one mirror that bring nothing new
PATIENCE = 0.5  # seconds before the next attempt, doubled after the second that brought nothing new
CHUNK = 1 << 18
LASTING = (socket.gaierror, ConnectionRefusedError, ssl.SSLCertVerificationError, str)
"""No such host, refused, not who it says: waiting a second will not change it."""

logger = logging.getLogger(__name__)


class _Broken(Exception):
    """A transfer that may succeed when tried again."""


class _Dead(Exception):
    """A mirror that will not give the file."""


def checksum_of_file(path: Path, like: str) -> str:
    """Checksum of a file in the notation and algorithm of `like`, "sha256:<hex>" or "md5:<hex>".

    Raises:
        BadData: `like` names another algorithm.
    """
    algorithm = like.partition(":")[0]
    if algorithm not in ("sha256", "md5"):
        raise BadData(
            f"The checksum {like!r} is neither sha256:<hex> nor md5:<hex>; the data set's plugin needs mending."
        )
    with path.open("rb") as file:
        return f"{algorithm}:{hashlib.file_digest(file, algorithm).hexdigest()}"


def download(source: Source, target: Path, progress: Progress | None = None) -> None:
    """Bring `source` to `target`, from its mirrors in turn; returns at once where `target` exists.

    What has arrived is kept in `<target>.part`, and a later call goes on from there. Of several processes one downloads
    and the others wait for it.

    Raises:
        DataMissing: no mirror gave a file with the right checksum; the text says, per mirror, why.
        RunFailed: the disk is full, or the folder cannot be written.
    """
    with alone(target, source.file):
        if target.exists():
            return
        part, reasons = target.with_name(f"{target.name}.part"), []
        for url in source.urls:
            try:
                _from_mirror(url, source, part, progress)
            except _Dead as error:
                reasons.append(f"{url}: {error}")
                logger.warning("%s", reasons[-1])
            else:
                with writing(target):
                    part.replace(target)
                return
        raise DataMissing("\n".join(reasons) or f"{source.file} is not offered anywhere")


def _from_mirror(url: str, source: Source, part: Path, progress: Progress | None) -> None:
    """Complete and verify `part` from one mirror."""
    reason, futile, most = "", 0, _size(part)
    while futile < RETRIES:
        resumed = _size(part) > 0
        try:
            _transfer(url, source, part, progress)
        except _Broken as error:
            reason = str(error)
        else:
            found = checksum_of_file(part, source.checksum)
            if found == source.checksum:
                return
            part.unlink()
            if not resumed:  # the mirror has another file; asking again would give the same
                raise _Dead(f"its checksum is {found}, expected {source.checksum}")
            reason = f"the resumed file's checksum is {found}, expected {source.checksum}"
        # more than there ever was: what starts anew at each attempt would else never end
        futile = 0 if _size(part) > most else futile + 1
        most = max(most, _size(part))
        if futile < RETRIES:
            time.sleep(PATIENCE * 2 ** max(futile - 1, 0))
    raise _Dead(reason)


def _size(part: Path) -> int:
    """Bytes that are there."""
    return part.stat().st_size if part.exists() else 0


def _transfer(url: str, source: Source, part: Path, progress: Progress | None) -> None:
    """Append what is missing of `part`, or start it anew where the server ignores the range."""
    have = _size(part)
    request = urllib.request.Request(url, headers={"User-Agent": "lgbench", "Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            continues = answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
            if have and not (answer.status == 206 and continues):
                have = 0
            _receive(answer, source, part, have, progress)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # nothing follows what we have: the checksum decides
            return
        if error.code in (408, 425, 429) or error.code >= 500:
            raise _Broken(f"the server answers {error.code} {error.reason}") from error
        raise _Dead(f"the server answers {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        kind = _Dead if isinstance(error.reason, LASTING) else _Broken
        raise kind(f"no connection ({error.reason})") from error
    except (OSError, http.client.HTTPException) as error:  # SSL's and the host's errors are OSErrors
        raise _Broken(f"the connection broke ({str(error) or type(error).__name__})") from error


def _receive(
    answer: http.client.HTTPResponse, source: Source, part: Path, have: int, progress: Progress | None
) -> None:
    """Write what the server sends behind the `have` bytes that are there."""
    length = answer.headers.get("Content-Length", "")
    total = have + int(length) if length.isdecimal() else source.size
    with writing(part):
        file = part.open("ab" if have else "wb")
    with file:
        while chunk := answer.read(CHUNK):
            with writing(part):  # the disk's errors, apart from the network's
                file.write(chunk)
                file.flush()
            have += len(chunk)
            if progress:
                progress(source.file, have, total)
    if have < total:  # http.client takes an early end of the stream for its end
        raise _Broken(f"the connection ended after {have:,} of {total:,} bytes")
