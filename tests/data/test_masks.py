"""Masks as people have them: whatever the file, what was meant as foreground is foreground."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pictured import box, encoded, opened, pairs, picture, placed, zipped
from PIL import EpsImagePlugin, Image, ImageFile, PngImagePlugin

from lgbench.data import RawDataset, Sample, decode_mask, prepare
from lgbench.errors import BadData, BadRecipe

BLACK, WHITE, RED = (0, 0, 0), (255, 255, 255), (255, 0, 0)
VOC = [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0, 0, 0, 128, 128, 0, 128, 0, 128, 128, 128, 128, 128]


def grey(mask: np.ndarray, high: int = 255, low: int = 0) -> np.ndarray:
    return np.where(mask, high, low).astype(np.uint8)


def palette(index: np.ndarray, colours: list[int]) -> Image.Image:
    image = Image.frombytes("P", index.shape[::-1], index.astype(np.uint8).tobytes())
    image.putpalette(colours)
    return image


def see_through(image: Image.Image) -> Image.Image:
    """A palette whose first colour is transparent."""
    image.info["transparency"] = 0
    return image


def coloured(mask: np.ndarray, inside: tuple, outside: tuple) -> Image.Image:
    return Image.fromarray(np.where(mask[..., None], inside, outside).astype(np.uint8))


def opaque(mask: np.ndarray, inside: tuple, outside: tuple) -> Image.Image:
    image = coloured(mask, inside, outside)
    image.putalpha(Image.fromarray(grey(mask)))
    return image


def random_beneath(mask: np.ndarray) -> Image.Image:
    image = Image.fromarray(np.where(mask[..., None], 255, picture()).astype(np.uint8))
    image.putalpha(Image.fromarray(grey(mask)))
    return image


KINDS: dict[str, Callable[[np.ndarray], np.ndarray | Image.Image]] = {
    "0 and 255": grey,
    "0 and 1": lambda mask: grey(mask, 1),
    "1 and 2": lambda mask: grey(mask, 2, 1),
    "127 and 200": lambda mask: grey(mask, 200, 127),
    "one bit": lambda mask: Image.fromarray(mask),
    "16 bits, 0 and 65535": lambda mask: Image.fromarray(mask.astype(np.uint16) * 65535),
    "16 bits, 0 and 1": lambda mask: Image.fromarray(mask.astype(np.uint16)),
    "black and white": lambda mask: coloured(mask, WHITE, BLACK),
    "red on black": lambda mask: coloured(mask, RED, BLACK),
    "quantised": lambda mask: coloured(mask, WHITE, BLACK).quantize(2),
    "palette, white first": lambda mask: palette(~mask, [*WHITE, *BLACK]),
    "palette, black first": lambda mask: palette(mask, [*BLACK, *WHITE]),
    "palette, web": lambda mask: coloured(mask, WHITE, BLACK).convert("P"),
    "palette, VOC's car": lambda mask: palette(mask * 7, VOC),
    "RGBA, opaque": lambda mask: coloured(mask, WHITE, BLACK).convert("RGBA"),
    "alpha, white": lambda mask: opaque(mask, WHITE, WHITE),
    "alpha, black": lambda mask: opaque(mask, BLACK, BLACK),
    "alpha, white on black": lambda mask: opaque(mask, WHITE, BLACK),
    "alpha, random beneath": random_beneath,
    "grey with alpha": lambda mask: opaque(mask, BLACK, BLACK).convert("LA"),
    "palette with alpha": lambda mask: opaque(mask, BLACK, BLACK).quantize(4, method=Image.Quantize.FASTOCTREE),
}


@pytest.mark.parametrize("packed", ["folder", "zip"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_meant_as_foreground_is_foreground(tmp_path: Path, kind: str, packed: str):
    files = pairs(KINDS[kind])
    if packed == "zip":
        rows = [f"images/{i}.png,masks/{i}.png" for i in range(16)]
        path = zipped(tmp_path / "x.zip", files | {"index.csv": "\n".join(["image,mask", *rows]).encode()})
    else:
        path = placed(tmp_path / "x", files)
    for split in opened(path).values():
        assert split.masks is not None
        for name, mask in zip(split.names, split.masks, strict=True):
            assert (mask == grey(box(int(Path(name).stem)))).all()


def test_masks_without_an_object_are_empty_among_others(tmp_path: Path):
    for kind in ("0 and 255", "quantised", "alpha, white", "RGBA, opaque"):
        files = pairs(KINDS[kind])
        files["masks/3.png"] = encoded(KINDS[kind](np.zeros((8, 8), dtype=bool)))
        for split in opened(placed(tmp_path / kind, files)).values():
            assert split.masks is not None
            areas = {Path(name).stem: (mask > 127).sum() for name, mask in zip(split.names, split.masks, strict=True)}
            assert all(area == (0 if stem == "3" else 9) for stem, area in areas.items()), kind


def trimap(mask: np.ndarray) -> np.ndarray:
    values = grey(mask, 1)
    values[0] = 2
    return values


@pytest.mark.parametrize(
    ("mask", "foreground", "area"),
    [(trimap, "1", 9), (trimap, "nonzero", 17), (trimap, "1,2", 17), (trimap, " 2", 8), (grey, "0", 55)],
)
def test_label_maps_are_foreground_where_the_setting_says(tmp_path: Path, mask, foreground: str, area: int):
    for split in opened(placed(tmp_path / "x", pairs(mask)), foreground=foreground).values():
        assert split.masks is not None
        assert [(found > 127).sum() for found in split.masks] == [area] * len(split)


def test_soft_masks_keep_their_opacity(tmp_path: Path):
    files = pairs(lambda mask: grey(mask, 200, 20))
    split = opened(placed(tmp_path / "x", files), foreground="soft")["train"]
    assert split.masks is not None
    assert set(np.unique(split.masks)) == {20, 200}


@pytest.mark.parametrize(
    ("mask", "settings", "said"),
    [
        (trimap, {}, r"values 0, 1, 2 \(masks/0.png has 2\)"),
        (lambda mask: picture()[..., 0], {}, r"data.foreground=soft"),
        (grey, {"foreground": "1"}, r"names 1, which no mask .* values are 0, 255 \(masks/0.png"),
        (grey, {"foreground": "255,8"}, "names 8, which no mask"),
        (grey, {"ignore": "0,255"}, "data.ignore=0,255 leaves nothing"),
        (lambda mask: grey(mask, 1), {"foreground": "soft"}, "background everywhere.* the largest opacity is 1 of 255"),
        (lambda mask: grey(mask * 0), {}, r"are 0 everywhere \(masks/0.png"),
        (lambda mask: grey(mask * 0, low=255), {}, "are 255 everywhere"),
        (lambda mask: grey(mask, 9, 8), {"foreground": "nonzero"}, "foreground everywhere"),
        (lambda mask: palette(~mask, [*RED, *BLACK]), {}, "coloured palette .*data.foreground=0"),
        (lambda mask: opaque(mask, BLACK, WHITE), {}, "opaque is darker"),
        (lambda mask: see_through(palette(mask, [*WHITE, *BLACK])), {}, "opaque is darker"),
        (lambda mask: coloured(mask, RED, WHITE), {}, "are coloured .*data.foreground=76"),
        (lambda mask: coloured(mask, RED, (0, 255, 0)), {}, "are coloured .*data.foreground=150"),
        (lambda mask: coloured(mask, (0, 0, 255), (97, 0, 0)), {}, "2 colours, some of which are equally bright"),
        (lambda mask: Image.fromarray(mask.astype(np.uint16) * 1000), {}, "values from 0 to 1000"),
    ],
)
def test_what_cannot_be_told_is_refused_with_file_and_values(tmp_path: Path, mask, settings: dict, said: str):
    with pytest.raises(BadData, match=f"(?s){said}"):
        opened(placed(tmp_path / "x", pairs(mask)), **settings)


@pytest.mark.parametrize("settings", [{}, {"foreground": "nonzero"}])
def test_palettes_whose_indices_mean_another_colour_in_each_file_are_refused(tmp_path: Path, settings: dict):
    files = pairs(lambda mask: palette(mask, [*BLACK, *RED]))
    files["masks/3.png"] = encoded(palette(~box(3), [*RED, *BLACK]))
    with pytest.raises(BadData, match="0 is another colour in masks/0.png than in masks/3.png"):
        opened(placed(tmp_path / "x", files), **settings)


def test_objects_may_have_a_colour_each(tmp_path: Path):
    files = pairs(lambda mask: palette(mask, [*BLACK, *RED]))
    files["masks/3.png"] = encoded(palette(box(3), [*BLACK, 0, 255, 0]))
    assert all((split.masks > 127).sum() == 9 * len(split) for split in opened(placed(tmp_path / "x", files)).values())


@pytest.mark.parametrize(
    ("mask", "settings", "told"),
    [
        (lambda mask: coloured(mask, BLACK, WHITE), {}, True),
        (lambda mask: grey(mask, 1, 3), {}, True),
        (lambda mask: opaque(~mask, BLACK, BLACK), {}, True),
        (grey, {}, False),
        (lambda mask: grey(mask, 1, 3), {"foreground": "1"}, False),
    ],
)
def test_masks_that_look_inverted_are_told(tmp_path: Path, caplog, mask, settings: dict, told: bool):
    opened(placed(tmp_path / "x", pairs(mask)), **settings)
    assert ("16 of 16 masks call most of the picture's frame the object" in caplog.text) == told


@pytest.mark.parametrize("setting", ["sky", "256", "-1", "1;2", "Soft"])
def test_settings_that_say_nothing_are_refused_before_anything_is_read(tmp_path: Path, setting: str):
    files = pairs(grey) | {"images/0.png": b""}
    with pytest.raises(BadRecipe, match="foreground"):
        opened(placed(tmp_path / "x", files), foreground=setting)


@pytest.mark.parametrize(("value", "said"), [(1, "background everywhere.*0 and 1"), (255, None)])
def test_masks_of_a_plugin_that_are_all_one_side_are_refused(tmp_path: Path, value: int, said: str | None):
    samples = [Sample(picture(), mask=grey(box(i), value), name=f"picture{i}") for i in range(4)]
    raw = RawDataset({"train": lambda: samples}, {"train": 4}, "made", frozenset({"masks"}))
    if said is None:
        assert prepare(raw, "made", {}, 8, tmp_path)["train"].masks is not None
        return
    with pytest.raises(BadData, match=f"(?s)picture0 and 3 more.*{said}"):
        prepare(raw, "made", {}, 8, tmp_path)


def test_one_bit_is_read_as_brightness():
    assert set(np.unique(decode_mask(encoded(Image.fromarray(box())), "x"))) == {0, 255}


@pytest.mark.parametrize("turns", range(1, 9))
def test_pictures_and_masks_lie_as_viewers_show_them(tmp_path: Path, turns: int):
    """Stored as an orientation says, pictures and masks are prepared as they were before they were stored so."""
    how = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    exif = Image.Exif()
    exif[0x0112] = turns
    files = pairs(grey)
    for i in range(16):
        seen = coloured(box(i), WHITE, (40, 40, 40)).resize((64, 64), Image.Resampling.NEAREST)
        stored = seen.transpose(how[turns]) if turns in how else seen
        files[f"images/{i}.jpg"] = encoded(stored, "jpg", quality=95, exif=exif)
        files[f"masks/{i}.png"] = encoded(np.asarray(seen)[..., 0])
        del files[f"images/{i}.png"]
    split = opened(placed(tmp_path / "x", files))["train"]
    assert split.masks is not None
    assert ((split.images[:, 0] > 150) == (split.masks > 127)).all()


@pytest.mark.parametrize("mode", ["LAB", "CMYK"])  # Pillow 10.2 writes no TIFF in YCbCr that it can read
def test_colours_of_printers_and_films_are_read_as_what_they_show(tmp_path: Path, mode: str):
    def mask(shown: np.ndarray) -> Image.Image:
        if mode == "LAB":  # lightness; no red, green, yellow or blue is 0
            plain = np.zeros((*shown.shape, 2), np.uint8)
            return Image.fromarray(np.concatenate([grey(shown)[..., None], plain], axis=2), mode)
        return Image.fromarray(grey(shown)).convert("RGB").convert(mode)

    for split in opened(placed(tmp_path / "x", pairs(mask, mask_name="masks/{}.tif"))).values():
        assert split.masks is not None
        for name, found in zip(split.names, split.masks, strict=True):
            assert (found == grey(box(int(Path(name).stem)))).all()


@pytest.mark.parametrize(
    "notes", [b"garbage", b"MM\0*\0\0\0\x08\xff\xff", b"II*\0\x08\0\0\0\x01\0\x12\x01\x05\0\x01\0\0\0\xff\xff\xff\xff"]
)
def test_damaged_notes_in_a_sound_picture_are_passed_over(tmp_path: Path, notes: bytes, recwarn):
    files = {f"{i}.jpg": encoded(picture(), "jpg", exif=b"Exif\0\0" + notes) for i in range(4)}
    assert sum(map(len, opened(placed(tmp_path / "x", files)).values())) == 4
    assert not recwarn.list


def test_mask_files_of_one_size_turned_are_told_so(tmp_path: Path):
    files = pairs(grey) | {"images/0.png": encoded(picture(8, 12)), "masks/0.png": encoded(grey(np.eye(12, 8)))}
    with pytest.raises(BadData, match="mask of 8 x 12 pixels, image of 12 x 8, as if one were turned"):
        opened(placed(tmp_path / "x", files))


def test_only_known_formats_are_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Pillow starts Ghostscript on EPS, whatever the file is called."""
    eps = Image.fromarray(picture())
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *a, **k: pytest.fail("Ghostscript was started"))
    files = {"0.png": encoded(eps, "eps"), "1.png": encoded(picture())}
    with pytest.raises(BadData, match=r"0\.png: truncated or unreadable .*not a picture: PNG, JPEG"):
        opened(placed(tmp_path / "x", files))


def test_long_texts_in_a_png_cost_nothing(tmp_path: Path):
    info = PngImagePlugin.PngInfo()
    info.add_text("history", "x" * 3_000_000, zip=True)
    info.add_itxt("prompt", "y" * 3_000_000, zip=True)
    shown = picture()
    files = {f"{i}.png": encoded(shown, pnginfo=info, icc_profile=bytes(4_000_000)) for i in range(16)}
    for split in opened(placed(tmp_path / "x", files)).values():
        assert (split.images == shown.transpose(2, 0, 1)).all()


def test_pictures_of_absurd_size_are_refused_before_they_are_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("lgbench.data.pictures.MOST_PIXELS", 60)
    path = placed(tmp_path / "x", {f"{i}.png": encoded(picture()) for i in range(4)})
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("decoded"))
    with pytest.raises(BadData, match="8 x 8 pixels; more than 60 are refused"):
        opened(path)


def bordered(mask: np.ndarray) -> np.ndarray:
    """A label map as VOC has them: classes 1 and 15, and 255 along the left."""
    labels = grey(mask, 15)
    labels[0, 7], labels[:, 0] = 1, 255
    return labels


def test_the_border_of_label_maps_is_no_object_without_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    root = placed(tmp_path / "x", pairs(bordered))
    with pytest.raises(BadData, match=r"`--set data\.ignore=255`"):
        opened(root)
    for _ in range(2):  # prepared, and opened again
        caplog.clear()
        opened(root, foreground="nonzero")
        (told,) = [record.getMessage() for record in caplog.records]
        assert "16 pictures: 255, " in told
        assert "`--set data.ignore=255`" in told
    caplog.clear()
    assert opened(root, foreground="nonzero", ignore="255")["train"].ignored is not None
    assert not caplog.records
