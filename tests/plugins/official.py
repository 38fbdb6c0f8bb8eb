"""Miniatures of official files, and a loopback server that offers them in place of their site."""

import hashlib
import http.server
import io
import tarfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from lgbench import Source

__all__ = ["encoded", "serve", "sources_at", "tar", "unreachable"]


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """The address at which a loopback server offers the files of `folder`; tests set `no_proxy` to "*" themselves."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def sources_at(url: str, folder: Path, sources: Sequence[Source]) -> tuple[Source, ...]:
    """The same sources, offered at `url` alone, with the checksums of the miniatures in `folder`.

    A source that `folder` lacks keeps its checksum, and the server answers 404 for it.
    """
    return tuple(
        replace(
            source,
            urls=(f"{url}/{source.file}",),
            checksum=_checksum(folder / source.file) or source.checksum,
            size=0,
        )
        for source in sources
    )


def unreachable(sources: Sequence[Source]) -> tuple[Source, ...]:
    """The same sources at an address where nobody answers."""
    return tuple(replace(source, urls=(f"http://127.0.0.1:9/{source.file}",)) for source in sources)


def tar(path: Path, files: Mapping[str, bytes]) -> None:
    """Write a tar of `files`, compressed where the name ends in "gz"."""
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def encoded(pixels: np.ndarray, format: str = "JPEG") -> bytes:
    """A picture file of (H, W) or (H, W, 3) uint8 pixels, or of a (H, W) bool mask."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format, **({"quality": 95} if format == "JPEG" else {}))
    return file.getvalue()


def _checksum(path: Path) -> str | None:
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}" if path.is_file() else None
