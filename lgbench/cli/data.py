"""`lgbench data`: what there is, fetched, verified, added."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from lgbench.data import DataHome, Progress
    from lgbench.offers import Dataset

__all__ = ["data"]


@click.group()
def data() -> None:
    """List, fetch, verify and add data sets."""


@data.command("list")
def list_() -> None:
    """Show installed data sets and added archives, and whether they are here."""
    from rich.console import Console

    from lgbench.data import DataHome

    from .printing import print_table

    home, records = DataHome(), _records()
    rows = []
    for name, record in sorted(records.items()):
        provides = ", ".join(sorted(record.provides)) or "images"
        rows.append((name, _where(record, home), provides, str(record.resolution), record.summary, record.licence))
    for name, path in home.archives().items():
        if name not in records:
            rows.append((name, "archive", *_archive_row(name, path)))
    print_table(Console(), ("name", "here", "provides", "px", "summary", "licence"), rows, framed=False)
    click.echo(f"Kept in {home.root}. Pictures of your own: folder:PATH.", err=True)


@data.command()
@click.argument("name")
def fetch(name: str) -> None:
    """Download the official files of data set NAME; a broken download goes on where it stopped."""
    from lgbench.data import DataHome, resolve_dataset

    home = DataHome()
    record = resolve_dataset(name, _records(), home)
    folder = home.locate(record)
    if not (record.sources or record.by_hand):
        click.echo(f"{name} needs no files.")
        return
    if folder is None and not record.fetched:
        absent = [source.file for source in record.sources if not (home.folder(name) / source.file).exists()]
        raise home.missing(name, record.by_hand, absent)
    if folder in (None, home.folder(name)) and record.fetched:
        with progress_bars() as progress:
            offered = [source for source in record.sources if source.urls]
            folder = DataHome(progress=progress).fetch(name, offered, optional=True)
        if record.by_hand:
            click.echo(record.by_hand, err=True)
    click.echo(folder)


@data.command()
@click.argument("name")
def verify(name: str) -> None:
    """Compare all files of data set NAME with their checksums, and what was prepared of it with its fingerprints."""
    from lgbench.data import DataHome, check_prepared, inspect_archive, prepared_folders, resolve_dataset
    from lgbench.data.download import checksum_of_file
    from lgbench.errors import BadData, LgbenchError

    home, faults = DataHome(), []
    record = resolve_dataset(name, _records(), home)
    folder = home.locate(record) or home.folder(record.name)
    if record.by_hand and not record.sources:
        click.echo(
            f"{'unknown' if home.locate(record) else 'absent '} {folder} (put by hand; no checksum is published)"
        )
    for source in record.sources:
        path = folder / source.file
        if not path.exists():
            click.echo(f"absent  {path}{' (optional)' if source.optional else ''}")
        elif (found := checksum_of_file(path, source.checksum)) != source.checksum:
            faults.append(f"{path} has {found}, expected {source.checksum}; delete it and fetch it again")
        else:
            click.echo(f"good    {path}")
    if archive := home.archives().get(record.name):
        try:
            inspect_archive(record.name, archive)
            click.echo(f"good    {archive}")
        except LgbenchError as error:
            faults.append(str(error))
    for folder in prepared_folders(home.prepared_root, record.name):
        found = check_prepared(folder)
        faults += [f"{fault}; delete {folder} and it is made again" for fault in found]
        if not found:
            click.echo(f"good    {folder}")
    if faults:
        raise BadData("\n".join(faults))


@data.command()
@click.argument("name")
@click.argument("archive", type=click.Path(exists=True, path_type=Path), metavar="FILE.zip")
def add(name: str, archive: Path) -> None:
    """Keep a portable archive as data set NAME, after reading every picture in it.

    FILE.zip holds pictures, say below images/, perhaps masks of the same names below masks/, and perhaps labels.csv or
    index.csv with a column `file` or `image`.
    """
    from lgbench.data import DataHome, add_archive, archive_columns, takes_archive
    from lgbench.data.masks import border_of
    from lgbench.errors import BadRecipe

    if archive.is_dir():
        raise BadRecipe(
            f"{archive} is a folder, and an archive is a zip. Zip it (`python -m zipfile -c {name}.zip "
            f"{archive}`) and add {name}.zip; or use it as it is: `--dataset folder:{archive}`."
        )
    record = _records().get(name)
    if record is not None and not takes_archive(record):
        raise BadRecipe(
            f"{name!r} is an installed data set that takes no archive. Add {archive} under another name, or use it "
            f"as it is: `--dataset folder:{archive}`."
        )
    if record is not None:
        _try_on(record, archive)
    info = add_archive(DataHome(), name, archive, archive_columns(record))
    counts = ", ".join(f"{count:,} {split}" for split, count in info.counts.items())
    click.echo(f"{name}: {counts}; provides {', '.join(sorted(info.provides)) or 'images'}; archive:{info.sha256[:12]}")
    for note in info.notes:
        click.echo(note, err=True)
    if "test" not in info.counts and record is None:
        instead = "score `val` with `--set evaluation.split=val`, or " if "val" in info.counts else ""
        click.echo(f"It has no test split: {instead}say which pictures are test and add it again.", err=True)
    if len(info.mask_values) == 1:
        click.echo(
            f"Its masks are {info.mask_values[0]} everywhere, which tells foreground from nothing: a run would refuse "
            "them. Mend them and add the archive again, or leave masks/ out.",
            err=True,
        )
    if len(info.mask_values) > 2 and record is None:
        values = ", ".join(map(str, info.mask_values[:8])) + (", ..." if len(info.mask_values) > 8 else "")
        border = border_of(info.mask_values, "...")
        click.echo(
            f"Its masks have the values {values}: say which are foreground with `--set data.foreground=...` "
            f"(`soft` where they are opacities), and which to leave out of every score, say {border}.",
            err=True,
        )


@data.command("pseudo-masks")
@click.argument("name")
@click.option("--weights", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE")
@click.option("--sha256", default="", help="Of FILE, or 8 digits of its beginning; by default torchvision's own.")
@click.option("--model", default="maskrcnn_resnet50_fpn", show_default=True, help="torchvision's name of the network.")
@click.option("--object", "thing", default="", help="What to mask, in COCO's word; by default what NAME shows.")
@click.option("--into", default="pseudo", show_default=True, help="Folder, below that of NAME's own files.")
@click.option("--train", is_flag=True, help="Mask the training pictures, too: some tables score them.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
def pseudo_masks(
    name: str, weights: Path, sha256: str, model: str, thing: str, into: str, train: bool, device: str
) -> None:
    """Mask the pictures of NAME that are scored with torchvision's Mask R-CNN, weights from FILE.

    Of the instances with a score of 0.5 the largest is the mask. `--set data.masks=pseudo` scores against them; records
    and boards say so. The same command goes on where it was cut short.
    """
    from itertools import chain

    from lgbench.data import DataHome, resolve_dataset
    from lgbench.data.pseudo import draw_masks, load_detector
    from lgbench.errors import BadRecipe
    from lgbench.runtime import choose_device

    home, records = DataHome(), _records()
    record = resolve_dataset(name, records, home)
    if not record.thing:
        some = ", ".join(other.name for other in records.values() if other.thing)
        raise BadRecipe(f"{name} does not read pseudo masks. Data sets that do: {some}.")
    detect, maker = load_detector(model, weights, thing or record.thing, sha256, choose_device(device))
    raw = record.build(record.config_class(), record.resolution, home)
    samples = chain.from_iterable(raw.splits[split]() for split in raw.splits if train or split != "train")
    with progress_bars() as progress:
        pictures, masked = draw_masks(samples, detect, maker, home.folder(record.name) / into, progress)
    click.echo(f"{pictures:,} pictures, {masked:,} with a mask: {maker}. Score by them with --set data.masks={into}")


def _try_on(record: Dataset, archive: Path) -> None:
    """Let an installed data set read an archive before it takes the place of a good one.

    Raises:
        BadData: it cannot; nothing has changed.
    """
    from tempfile import TemporaryDirectory

    from lgbench.data import DataHome
    from lgbench.errors import BadData

    with TemporaryDirectory() as scratch:
        kept = Path(scratch) / "archives" / f"{record.name}.zip"
        kept.parent.mkdir()
        kept.symlink_to(archive.absolute())
        try:
            record.build(record.config_class(), record.resolution, DataHome(Path(scratch)))
        except BadData as error:
            raise BadData(str(error).replace(str(kept), str(archive))) from error


def _records() -> dict[str, Dataset]:
    from lgbench.plugins import registry

    return registry().datasets


def _where(record: Dataset, home: DataHome) -> str:
    if record.offline or not (record.sources or record.by_hand):
        return "offline"
    if home.locate(record):
        return "yes"
    if record.name in home.archives():
        return "archive"
    if not record.fetched:
        return "by hand"
    size = sum(source.size for source in record.sources if not source.optional)
    return f"to fetch ({size / 1e6:,.0f} MB)" if size else "to fetch"


def _archive_row(name: str, path: Path) -> tuple[str, str, str, str]:
    from lgbench.data import archive_dataset
    from lgbench.errors import BadData

    try:
        record = archive_dataset(name, path)
    except BadData as error:
        return "", "", str(error), ""
    return ", ".join(sorted(record.provides)) or "images", str(record.resolution), record.summary, record.licence


@contextmanager
def progress_bars() -> Iterator[Progress]:
    """A function to report progress to, drawn on stderr as one bar for each thing that is going on."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    from lgbench.plain import plain

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True)) as bars:
        tasks = {}

        def progress(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(plain(what))
            bars.update(tasks[what], completed=done, total=total or None)

        yield progress
