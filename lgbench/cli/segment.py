"""`lgbench segment`."""

from __future__ import annotations

from pathlib import Path

import click

from lgbench.errors import BadData

from .run import DEVICE

__all__ = ["segment"]

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("run", type=FOLDER, metavar="RUN")
@click.argument("folder", type=FOLDER, metavar="FOLDER")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="[default: RUN/segmented]")
@DEVICE
def segment(run: Path, folder: Path, out: Path | None, device: str) -> None:
    """Write masks and cut-outs of the photographs in FOLDER, as the finished run in RUN segments.

    Masks (`masks/NAME.png`) are as large as the photographs, cut-outs (`cutouts/NAME.png`) transparent around the
    object. Nothing is overwritten: where another picture has the name, a number is added.
    """
    from rich.console import Console

    from lgbench.trained import load_run

    from .cutouts import foreground, photographs, read, save
    from .printing import say
    from .progress import reporting

    out = out or run / "segmented"
    paths, empty, unread = photographs(folder, out), 0, 0
    with reporting() as reporter:
        trained = load_run(run, device, reporter)
        reporter.stage("segment", len(paths))
        for done, path in enumerate(paths, start=1):
            try:
                picture = read(trained, path)
            except BadData as error:
                reporter.note(f"skipped: {error}")
                unread += 1
                continue
            mask = foreground(trained, picture.pixels)
            save(out, path.relative_to(folder), picture.pixels, mask)
            empty += not mask.any()
            reporter.advance(done)
    if unread == len(paths):
        raise BadData(f"None of the {unread} pictures in {folder} can be read; the lines above say why.")
    told = [f"{len(paths) - unread} photographs: {out / 'masks'}, {out / 'cutouts'}"]
    told += [f"nothing was found in {empty} of them"] if empty else []
    told += [f"{unread} could not be read and were skipped"] if unread else []
    say(Console(), "; ".join(told))
