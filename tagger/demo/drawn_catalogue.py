"""A small drawn catalogue for the demo and the tests: varied enough to learn from, with the oddities of real ones."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from tagger.demo.drawn_views import further_view, number_of_views, view_file

Point = tuple[float, float]
Colour = tuple[int, int, int]
_CANVAS = 320
_COLOURS: dict[str, Colour] = {
    "Black": (34, 34, 38), "Navy Blue": (30, 45, 95), "Red": (190, 40, 45), "Green": (50, 120, 70),
    "Brown": (120, 80, 50), "Grey": (130, 130, 135), "Pink": (225, 130, 160), "Yellow": (225, 190, 60),
    "Blue": (70, 120, 200), "Purple": (110, 70, 150),
}  # fmt: skip
_SIZES = ((120, 160), (150, 200), (96, 128), (240, 320))
_SUFFIX = "jpg"
_WITH_VIEWS = 1 / 3
HEADER = ("id", "masterCategory", "articleType", "baseColour", "year", "productDisplayName")


@dataclass
class Drawn:
    """What was drawn, and which oddities are in it."""

    manifest: Path
    images: Path
    items: int
    unlabelled: int
    several: int = 0
    """Items with several images."""
    ragged: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    truncated: list[str] = field(default_factory=list)
    blurry: list[str] = field(default_factory=list)
    blank_ids: int = 0
    duplicate_ids: int = 0


class _Pen:
    """Draws in coordinates of 0 to 1, right side up, each corner a little off."""

    def __init__(self, draw: ImageDraw.ImageDraw, rng: np.random.Generator, colour: Colour) -> None:
        self._draw = draw
        self._rng = rng
        self.colour = colour
        self.dark: Colour = (colour[0] // 2, colour[1] // 2, colour[2] // 2)
        self.light: Colour = ((colour[0] + 255) // 2, (colour[1] + 255) // 2, (colour[2] + 255) // 2)

    def polygon(self, points: list[Point], colour: Colour | None = None) -> None:
        self._draw.polygon([self._at(p) for p in points], fill=colour or self.colour)

    def ellipse(self, a: Point, b: Point, colour: Colour | None = None) -> None:
        self._draw.ellipse([self._plain(a), self._plain(b)], fill=colour or self.colour)

    def line(self, points: list[Point], width: float, colour: Colour | None = None) -> None:
        self._draw.line([self._at(p) for p in points], colour or self.dark, round(width * _CANVAS), joint="curve")

    def arc(self, a: Point, b: Point, start: float, end: float, width: float) -> None:
        self._draw.arc([self._plain(a), self._plain(b)], start, end, self.colour, round(width * _CANVAS))

    def between(self, low: float, high: float) -> float:
        return float(self._rng.uniform(low, high))

    def _at(self, point: Point) -> Point:
        jitter = self._rng.normal(0, 0.008, 2)
        return (point[0] + jitter[0]) * _CANVAS, (point[1] + jitter[1]) * _CANVAS

    @staticmethod
    def _plain(point: Point) -> Point:
        return point[0] * _CANVAS, point[1] * _CANVAS


def _tshirt(pen: _Pen) -> None:
    sleeve, hem = pen.between(0.38, 0.5), pen.between(0.78, 0.88)
    pen.polygon([(0.34, 0.2), (0.66, 0.2), (0.9, sleeve - 0.05), (0.8, sleeve + 0.05), (0.7, 0.36), (0.7, hem),
                 (0.3, hem), (0.3, 0.36), (0.2, sleeve + 0.05), (0.1, sleeve - 0.05)])  # fmt: skip
    pen.ellipse((0.42, 0.15), (0.58, 0.26), pen.light)


def _trousers(pen: _Pen) -> None:
    flare = pen.between(0.0, 0.06)
    pen.polygon([(0.33, 0.1), (0.67, 0.1), (0.72 + flare, 0.92), (0.56, 0.92), (0.5, 0.38), (0.44, 0.92),
                 (0.28 - flare, 0.92)])  # fmt: skip
    pen.line([(0.33, 0.14), (0.67, 0.14)], 0.02)


def _dress(pen: _Pen) -> None:
    hem, waist = pen.between(0.26, 0.36), pen.between(0.08, 0.12)
    pen.polygon(
        [(0.4, 0.1), (0.6, 0.1), (0.5 + waist, 0.42), (0.5 + hem, 0.92), (0.5 - hem, 0.92), (0.5 - waist, 0.42)]
    )
    pen.line([(0.5 - waist, 0.42), (0.5 + waist, 0.42)], 0.02, pen.light)


def _shorts(pen: _Pen) -> None:
    length = pen.between(0.66, 0.74)
    pen.polygon([(0.28, 0.28), (0.72, 0.28), (0.8, length), (0.54, length), (0.5, 0.48), (0.46, length), (0.2, length)])
    pen.line([(0.28, 0.32), (0.72, 0.32)], 0.025, pen.light)


def _heels(pen: _Pen) -> None:
    heel = pen.between(0.84, 0.9)
    pen.polygon([(0.12, 0.4), (0.26, 0.38), (0.55, 0.66), (0.9, 0.72), (0.88, 0.8), (0.5, 0.79), (0.22, 0.55)])
    pen.polygon([(0.12, 0.4), (0.22, 0.5), (0.17, heel), (0.13, heel)], pen.dark)


def _boots(pen: _Pen) -> None:
    top = pen.between(0.1, 0.2)
    pen.polygon([(0.3, top), (0.56, top), (0.57, 0.6), (0.86, 0.7), (0.88, 0.84), (0.3, 0.84)])
    pen.polygon([(0.28, 0.83), (0.9, 0.83), (0.9, 0.9), (0.28, 0.9)], pen.dark)


def _flip_flops(pen: _Pen) -> None:
    for left in (0.16, 0.54):
        pen.ellipse((left, 0.12), (left + 0.3, 0.88))
        pen.line([(left + 0.03, 0.5), (left + 0.15, 0.3), (left + 0.27, 0.5)], 0.03)


def _watch(pen: _Pen) -> None:
    radius = pen.between(0.17, 0.23)
    pen.polygon([(0.42, 0.06), (0.58, 0.06), (0.58, 0.94), (0.42, 0.94)], pen.dark)
    pen.ellipse((0.5 - radius, 0.5 - radius), (0.5 + radius, 0.5 + radius))
    pen.ellipse((0.53 - radius, 0.53 - radius), (0.47 + radius, 0.47 + radius), (245, 245, 245))
    pen.line([(0.5, 0.5), (0.5, 0.38)], 0.014)
    pen.line([(0.5, 0.5), (0.58, 0.54)], 0.014)


def _handbag(pen: _Pen) -> None:
    top = pen.between(0.4, 0.5)
    pen.arc((0.32, top - 0.26), (0.68, top + 0.24), 180, 360, 0.03)
    pen.polygon([(0.2, top), (0.8, top), (0.88, 0.86), (0.12, 0.86)])
    pen.polygon([(0.44, top), (0.56, top), (0.56, top + 0.08), (0.44, top + 0.08)], pen.light)


def _sunglasses(pen: _Pen) -> None:
    size = pen.between(0.26, 0.32)
    for left in (0.5 - size - 0.05, 0.55):
        pen.ellipse((left, 0.4), (left + size, 0.4 + size * 0.8), pen.dark)
    pen.line([(0.44, 0.48), (0.56, 0.48)], 0.03, pen.colour)
    pen.line([(0.1, 0.46), (0.16, 0.5)], 0.03, pen.colour)
    pen.line([(0.9, 0.46), (0.84, 0.5)], 0.03, pen.colour)


def _belt(pen: _Pen) -> None:
    pen.arc((0.12, 0.3), (0.88, 0.72), pen.between(-15, 10), 340, 0.08)
    pen.polygon([(0.74, 0.36), (0.9, 0.36), (0.9, 0.52), (0.74, 0.52)], (190, 175, 130))
    pen.polygon([(0.79, 0.4), (0.86, 0.4), (0.86, 0.48), (0.79, 0.48)], pen.dark)


def _perfume(pen: _Pen) -> None:
    width = pen.between(0.18, 0.26)
    pen.polygon([(0.5 - width, 0.42), (0.5 + width, 0.42), (0.5 + width, 0.9), (0.5 - width, 0.9)], pen.light)
    pen.polygon([(0.53 - width, 0.6), (0.47 + width, 0.6), (0.47 + width, 0.87), (0.53 - width, 0.87)])
    pen.polygon([(0.44, 0.2), (0.56, 0.2), (0.56, 0.42), (0.44, 0.42)], pen.dark)


def _lipstick(pen: _Pen) -> None:
    pen.polygon([(0.42, 0.52), (0.58, 0.52), (0.58, 0.94), (0.42, 0.94)], (40, 40, 44))
    pen.polygon([(0.44, 0.4), (0.56, 0.4), (0.56, 0.52), (0.44, 0.52)], (200, 180, 120))
    pen.polygon([(0.45, 0.4), (0.45, pen.between(0.18, 0.24)), (0.55, 0.1), (0.55, 0.4)])


def _gift(pen: _Pen) -> None:
    top = pen.between(0.32, 0.4)
    pen.polygon([(0.16, top), (0.84, top), (0.84, 0.86), (0.16, 0.86)])
    pen.polygon([(0.45, top), (0.55, top), (0.55, 0.86), (0.45, 0.86)], pen.light)
    pen.ellipse((0.3, top - 0.16), (0.5, top), pen.light)
    pen.ellipse((0.5, top - 0.16), (0.7, top), pen.light)


ARTICLES: dict[tuple[str, str], Callable[[_Pen], None]] = {
    ("Apparel", "Tshirts"): _tshirt,
    ("Apparel", "Trousers"): _trousers,
    ("Apparel", "Dresses"): _dress,
    ("Apparel", "Shorts"): _shorts,
    ("Footwear", "Heels"): _heels,
    ("Footwear", "Boots"): _boots,
    ("Footwear", "Flip Flops"): _flip_flops,
    ("Accessories", "Watches"): _watch,
    ("Accessories", "Handbags"): _handbag,
    ("Accessories", "Sunglasses"): _sunglasses,
    ("Accessories", "Belts"): _belt,
    ("Personal Care", "Perfume and Body Mist"): _perfume,
    ("Personal Care", "Lipstick"): _lipstick,
    ("Free Items", "Free Gifts"): _gift,
}


def draw_item(article: tuple[str, str], rng: np.random.Generator, colour: str) -> Image.Image:
    """Draw one product on a light ground: jittered, turned, moved, scaled, sometimes striped, always a little noisy."""
    ground = np.clip(rng.normal(248, 5, 3), 225, 255).astype(int)
    paper = (int(ground[0]), int(ground[1]), int(ground[2]))
    image = Image.new("RGB", (_CANVAS, _CANVAS), paper)
    tint = np.clip(np.array(_COLOURS[colour]) + rng.normal(0, 12, 3), 0, 255).astype(int)
    ARTICLES[article](_Pen(ImageDraw.Draw(image), rng, (int(tint[0]), int(tint[1]), int(tint[2]))))
    if rng.random() < 0.25:
        image = _striped(image, rng)
    scale = _CANVAS * rng.uniform(0.72, 1.0)
    image = image.rotate(rng.normal(0, 6), fillcolor=paper, resample=Image.Resampling.BICUBIC)
    image = image.resize((round(scale), round(scale)), Image.Resampling.BICUBIC)
    width, height = _SIZES[rng.integers(len(_SIZES))]
    page = Image.new("RGB", (_CANVAS * 3 // 4 + 80, _CANVAS + 60), paper)
    left, top = (int(rng.uniform(0, max(1, side - round(scale)))) for side in page.size)
    page.paste(image, (left, top))
    small = np.asarray(page.resize((width, height), Image.Resampling.BICUBIC), np.float32)
    return Image.fromarray(np.clip(small + rng.normal(0, rng.uniform(1, 6), small.shape), 0, 255).astype(np.uint8))


def _striped(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Darken stripes of whatever is not ground."""
    pixels = np.asarray(image, np.int16)
    rows, columns = np.mgrid[:_CANVAS, :_CANVAS]
    period = rng.integers(14, 40)
    stripe = ((rows if rng.random() < 0.5 else columns) // (period // 2)) % 2 == 0
    product = (pixels < 222).any(axis=2)
    darker = np.where((stripe & product)[..., None], pixels * 7 // 10, pixels)
    return Image.fromarray(darker.astype(np.uint8))


def draw_catalogue(
    folder: Path,
    items: int,
    seed: int = 0,
    unlabelled: float = 0.15,
    oddities: bool = True,
    views: float = _WITH_VIEWS,
) -> Drawn:
    """Draw a catalogue: `styles.csv`, `images/{id}.jpg` and, of some items, `images/{id}_2.jpg` and so on.

    The file is not quoted, as published ones are. With `oddities` it has a row with a comma in its title, rows with a
    blank and with a repeated id, an image that is missing, one that is truncated, and one that is blurry.

    Args:
        folder: Where to.
        items: Number of items.
        seed: The same one draws the same catalogue.
        unlabelled: Share of items without tags.
        oddities: Whether to add them.
        views: Share of the items with two to four images.
    """
    rng = np.random.default_rng(seed)
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    articles = list(ARTICLES)
    drawn = Drawn(folder / "styles.csv", images, items, 0)
    rows: list[list[str]] = []
    for number in range(items):
        item = str(10_001 + number)
        master, article = articles[number % len(articles)]
        colour = str(rng.choice(list(_COLOURS)))
        draw_item((master, article), rng, colour).save(images / f"{item}.{_SUFFIX}", quality=int(rng.integers(70, 96)))
        drawn.several += _draw_views(
            images, item, (master, article), colour, views, np.random.default_rng([seed, number])
        )
        labels = [master, article]
        if rng.random() < unlabelled:
            labels = ["", "NA"]
            drawn.unlabelled += 1
        rows.append(
            [item, *labels, colour, str(rng.integers(2010, 2019)), f"{colour} {article} {rng.integers(100, 999)}"]
        )
    if oddities:
        _add_oddities(drawn, rows)
    drawn.manifest.write_text("\n".join(",".join(row) for row in [list(HEADER), *rows]) + "\n")
    return drawn


def _draw_views(
    images: Path, item: str, article: tuple[str, str], colour: str, share: float, rng: np.random.Generator
) -> bool:
    """Draw an item's further images, if it has some; return whether it has."""
    count = number_of_views(share, rng)
    for number in range(2, count + 1):
        view = further_view(number, draw_item(article, rng, colour), rng)
        view.save(view_file(images, item, number, _SUFFIX), quality=85)
    return count > 1


def _add_oddities(drawn: Drawn, rows: list[list[str]]) -> None:
    unlabelled = [row for row in rows if not row[1]]
    ragged, missing, truncated, blurry = (unlabelled[i][0] for i in range(4))
    drawn.ragged, drawn.missing, drawn.truncated, drawn.blurry = [ragged], [missing], [truncated], [blurry]
    unlabelled[0][-1] += ", with a comma"
    (drawn.images / f"{missing}.{_SUFFIX}").unlink()
    file = drawn.images / f"{truncated}.{_SUFFIX}"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    blurred = drawn.images / f"{blurry}.{_SUFFIX}"
    with Image.open(blurred) as image:
        image.filter(ImageFilter.GaussianBlur(12)).save(blurred, quality=90)
    labelled = [row for row in rows if row[1]]
    rows.insert(len(rows) // 3, ["", *labelled[0][1:]])
    rows.insert(len(rows) // 2, list(labelled[1]))
    drawn.blank_ids = drawn.duplicate_ids = 1
