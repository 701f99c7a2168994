"""Drawn pictures of what no shop sells: empty ones, noise, parcels."""

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

_SIZE = (240, 320)


def encoded(image: Image.Image) -> bytes:
    """A JPEG file."""
    out = io.BytesIO()
    image.convert("RGB").save(out, "JPEG", quality=90)
    return out.getvalue()


def blank(level: int) -> bytes:
    """One grey, 0 to 255."""
    return encoded(Image.new("L", _SIZE, level))


def noise(seed: int, blurred: float = 0) -> bytes:
    """Random pixels, on request blurred by a radius."""
    pixels = np.random.default_rng(seed).integers(0, 256, (_SIZE[1], _SIZE[0], 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    return encoded(image.filter(ImageFilter.GaussianBlur(blurred)) if blurred else image)


def parcel(seed: int) -> bytes:
    """A cardboard box on white, with tape, an address label and a barcode."""
    rng = np.random.default_rng(seed)

    def whole(low: int, high: int) -> int:
        return int(rng.integers(low, high))

    image = Image.new("RGB", _SIZE, "white")
    draw = ImageDraw.Draw(image)
    left, top = whole(10, 40), whole(90, 130)
    right, bottom = _SIZE[0] - whole(10, 40), _SIZE[1] - whole(30, 60)
    slant, tone = whole(15, 40), whole(-20, 20)
    front, lid, side = ((190 + tone, 150 + tone, 100 + tone), (210 + tone, 172 + tone, 122 + tone), (164, 126, 80))
    draw.rectangle((left, top, right - slant, bottom), fill=front)
    draw.polygon([(left, top), (left + slant, top - slant), (right, top - slant), (right - slant, top)], fill=lid)
    draw.polygon(
        [(right - slant, top), (right, top - slant), (right, bottom - slant), (right - slant, bottom)], fill=side
    )
    middle = (left + right - slant) // 2
    draw.rectangle((middle - 8, top, middle + 8, bottom), fill=(224, 196, 150))
    x, y = left + whole(10, 40), top + whole(30, 60)
    draw.rectangle((x, y, x + 90, y + 60), fill="white", outline=(120, 120, 120))
    for n in range(3):
        draw.line((x + 6, y + 8 + 8 * n, x + whole(40, 84), y + 8 + 8 * n), fill=(40, 40, 40), width=2)
    for n in range(20):
        if rng.random() < 0.6:
            draw.line((x + 8 + 4 * n, y + 36, x + 8 + 4 * n, y + 54), fill="black", width=whole(1, 3))
    return encoded(image.filter(ImageFilter.GaussianBlur(0.7)))


def strange_pictures() -> dict[str, list[bytes]]:
    """Files by what they show."""
    return {
        "blank": [blank(level) for level in range(0, 256, 15)],
        "noise": [noise(seed, blurred) for seed, blurred in enumerate((0, 0, 0, 1, 1, 2, 2, 4, 8))],
        "parcels": [parcel(seed) for seed in range(40)],
    }
