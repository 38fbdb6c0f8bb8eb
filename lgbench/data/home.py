"""Where data sets live on this machine: official files, added archives, prepared arrays."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from lgbench.errors import BadData, DataMissing, RunFailed
from lgbench.files import canonical_json, keep, read_json, sha256_of_file, sha256_of_json
from lgbench.offers import Dataset, Source
from lgbench.permissions import in_the_way

from .download import Progress, checksum_of_file, download

__all__ = ["DataHome", "is_readable", "stamp_of"]

logger = logging.getLogger(__name__)

SAMPLE = 4096  # bytes that are read at each of some places of a file
SAMPLES = 4

_WITHOUT = (
    "  --dataset flora            a made-up world with exact masks",
    "  --dataset digits-one       handwritten digits on backgrounds",
    "  --dataset folder:PATH      pictures of your own",
    "  lgbench data add NAME FILE.zip, then --dataset NAME: a portable archive",
)


class DataHome:
    """The folder that holds all data, with `files/<name>/`, `archives/<name>.zip` and `prepared/` below it.

    Attributes:
        root: the argument, else the environment's LGBENCH_HOME, else `lgbench` in the user's cache folder.
        progress: told of downloads.
    """

    def __init__(self, root: Path | None = None, progress: Progress | None = None) -> None:
        self.root = _absolute(Path(root) if root else _default_root())
        self.progress = progress

    def __repr__(self) -> str:
        return f"DataHome({str(self.root)!r})"

    @property
    def prepared_root(self) -> Path:
        """Folder of the prepared arrays."""
        return self.root / "prepared"

    def folder(self, name: str) -> Path:
        """Folder of the official files of data set `name`; it need not exist yet."""
        return self.root / "files" / name

    def has(self, name: str, sources: Sequence[Source]) -> bool:
        """Whether all official files that are not optional are there."""
        return all((self.folder(name) / source.file).exists() for source in sources if not source.optional)

    def locate(self, record: Dataset) -> Path | None:
        """The folder with the official files of a data set, its own or one it shares; None where they are not here."""
        if record.locate:
            return record.locate(self)
        return self.folder(record.name) if record.sources and self.has(record.name, record.sources) else None

    def missing(self, name: str, by_hand: str, lacking: Sequence[str] = ()) -> DataMissing:
        """The error for data set `name`, which nobody can fetch.

        Args:
            by_hand: the sentence of its record that says what to put where.
            lacking: names of files, where some are here already.
        """
        lines = [f"Data set {name!r} cannot be fetched for you. {by_hand}", "Its folder is", f"  {self.folder(name)}"]
        if lacking:
            lines += ["Not here are", *(f"  {file}" for file in lacking)]
        return DataMissing("\n".join([*lines, "Then run the same command again. What runs without it:", *_WITHOUT]))

    def fetch(self, name: str, sources: Sequence[Source], *, optional: bool = False) -> Path:
        """The folder with the official files of data set `name`, downloading those that are missing.

        Optional files come along with a download of the others, or when `optional` asks for them; that one of them
        could not be had is logged, no more. Checksums are computed once and remembered (see `checksum`).

        Raises:
            DataMissing: files are missing and no mirror gave them; the text says how to get them by hand.
            BadData: a file that somebody put there has another checksum.
        """
        folder = self.folder(name)
        for source in sources:
            if (folder / source.file).exists():
                self._verify(source, folder / source.file)
        missing = [source for source in sources if not source.optional and not (folder / source.file).exists()]
        for source in missing:
            try:
                download(source, folder / source.file, self.progress)
            except DataMissing as error:
                absent = [source for source in missing if not (folder / source.file).exists()]
                raise DataMissing(_by_hand(name, absent, folder, str(error))) from error
            self._verify(source, folder / source.file)
        if missing or optional:
            self._fetch_optional(name, [source for source in sources if source.optional])
        return folder

    def _fetch_optional(self, name: str, sources: Sequence[Source]) -> None:
        for source in sources:
            path = self.folder(name) / source.file
            try:
                download(source, path, self.progress)
            except DataMissing as error:
                logger.warning("%s of %s is optional and could not be fetched: %s", source.file, name, error)
            else:
                self._verify(source, path)

    def _verify(self, source: Source, path: Path) -> None:
        algorithm, _, expected = source.checksum.partition(":")
        found = self.checksum(path, source.checksum)
        if found != expected:
            raise BadData(
                f"{path} is not the official file.\n  expected {source.checksum}\n  found    {algorithm}:{found} "
                f"({path.stat().st_size:,} bytes)\n"
                "Delete it and run the command again to download it, or put the right one there."
            )

    def checksum(self, path: Path, algorithm: str) -> str:
        """Hex checksum ("sha256" or "md5") of a file, computed once for as long as `stamp_of` stays the same.

        Raises:
            BadData: it cannot be read.
        """
        path = path.absolute()
        algorithm = algorithm.partition(":")[0]
        try:
            return self.remembered(
                f"{algorithm} {path}", stamp_of(path), lambda: checksum_of_file(path, algorithm).partition(":")[2]
            )
        except OSError as error:
            raise BadData(f"{path} cannot be read ({error.strerror}): {in_the_way(path)}.") from error

    def content(self, folder: Path, files: Sequence[str] | Mapping[str, str]) -> str:
        """Hex SHA-256 over names and contents of files below a folder, in the order given; remembered likewise.

        What is not a readable file counts as being none.

        Args:
            files: their names, or what each counts as -> its name, where copies that lie otherwise are the same.

        Raises:
            BadData: the device fails.
        """
        paths = {name: folder / (files[name] if isinstance(files, Mapping) else name) for name in files}

        def compute() -> str:
            digest = hashlib.sha256()
            for number, (name, path) in enumerate(paths.items(), start=1):
                digest.update(f"{name}\0{sha256_of_file(path) if is_readable(path) else ''}\0".encode())
                if self.progress:
                    self.progress(f"read {folder.name}", number, len(paths))
            return digest.hexdigest()

        try:
            stamps = [[name, stamp_of(path) if is_readable(path) else ""] for name, path in paths.items()]
            return self.remembered(f"folder {folder}", sha256_of_json(stamps), compute)
        except OSError as error:
            raise BadData(f"{error.filename or folder} cannot be read ({error.strerror}).") from error

    def remembered(self, key: str, stamp: str, compute: Callable[[], str]) -> str:
        """What `compute` returned when it was last asked for `key` under the same `stamp`, else what it returns now."""
        known = self._memory()
        if key in known and known[key][0] == stamp:
            return known[key][1]
        value = compute()
        # two processes may forget what the other learnt; they then compute it again
        learnt = canonical_json(self._memory() | {key: [stamp, value]})
        keep(self.root / "checksums.json", lambda file: file.write(learnt.encode()))
        return value

    def _memory(self) -> dict[str, list[str]]:
        try:
            known = read_json(self.root / "checksums.json")
        except (OSError, ValueError):
            return {}
        pairs = known.items() if isinstance(known, dict) else ()
        return {key: pair for key, pair in pairs if isinstance(pair, list) and list(map(type, pair)) == [str, str]}

    def archives(self) -> dict[str, Path]:
        """Added archives by name."""
        return {path.stem: path for path in sorted((self.root / "archives").glob("[!.]*.zip"))}


def is_readable(path: Path) -> bool:
    """Whether this is a file, or leads to one, that may be read and holds something; pipes and devices are none.

    What a system makes up when it is read (below /proc, say) is told as empty, and may have no end.
    """
    return path.is_file() and os.access(path, os.R_OK) and path.stat().st_size > 0


def stamp_of(path: Path) -> str:
    """What changes when a file does, without reading all of it: hex.

    Size and time of change alone pass for the same where a file is replaced by tools that set times (`cp -p`, archives,
    layers of images), so the system's own account of it and some of its bytes stand beside them.
    """
    state = path.stat()
    digest = hashlib.sha256(f"{state.st_size} {state.st_mtime_ns} {state.st_ctime_ns} {state.st_ino}".encode())
    with path.open("rb") as file:
        for at in sorted({max(0, state.st_size * part // SAMPLES - SAMPLE) for part in range(SAMPLES + 1)}):
            file.seek(at)
            digest.update(file.read(SAMPLE))
    return digest.hexdigest()


def _default_root() -> Path:
    if home := os.environ.get("LGBENCH_HOME"):
        return Path(home)
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "lgbench"


def _absolute(root: Path) -> Path:
    """A data home's folder, spelt out.

    Raises:
        RunFailed: this user has no home, or the folder is a file.
    """
    try:
        root = root.expanduser().absolute()
    except RuntimeError as error:
        raise RunFailed(
            f"{root} cannot be found ({error}) Say where data sets are to live: set the environment variable "
            "LGBENCH_HOME to a folder that you may write."
        ) from None
    if root.exists() and not root.is_dir():
        raise RunFailed(f"The data home {root} is a file. Set the environment variable LGBENCH_HOME to a folder.")
    return root


def _by_hand(name: str, missing: Sequence[Source], folder: Path, reasons: str) -> str:
    """What is missing, how to get it by hand, and what runs without it: one screen."""
    files = []
    for source in missing:
        size = f" ({source.size:,} bytes)" if source.size else ""
        files += [f"  {source.file}{size}", f"    {source.checksum}", *(f"    {url}" for url in source.urls[:2])]
    hosts = ", ".join(dict.fromkeys(urlsplit(url).netloc for source in missing for url in source.urls))
    return "\n".join(
        [
            f"Data set {name!r} needs {len(missing)} file(s) that are not here and could not be fetched from {hosts}:",
            *(f"  {line}" for line in reasons.splitlines()[:3]),
            "Fetch them by hand:",
            *files,
            f"put them into\n  {folder}\nand run the same command again. What runs without them:",
            *_WITHOUT,
        ]
    )
