"""Pictures that say their own number, and whose corners say which way is up."""

import numpy as np
from numpy.typing import NDArray

N_BITS = 10
#: Colours of the corners: top left, top right, bottom left, bottom right.
CORNERS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0))


def draw(number: int, width: int = 320, height: int = 240) -> NDArray[np.uint8]:
    """A picture that says its number in bars across the middle, on a background with some texture."""
    rows, columns = np.mgrid[:height, :width]
    grey = 90 + 40 * np.sin(columns / 17 + number / 5) * np.cos(rows / 13)
    picture = np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)
    for bit in range(N_BITS):
        left, right = bit * width // N_BITS, (bit + 1) * width // N_BITS
        picture[2 * height // 5 : 3 * height // 5, left:right] = 235 if number >> bit & 1 else 20
    side = min(width, height) // 5
    for (top, left), colour in zip(((0, 0), (0, 1), (1, 0), (1, 1)), CORNERS, strict=True):
        row = slice(height - side, height) if top else slice(0, side)
        column = slice(width - side, width) if left else slice(0, side)
        picture[row, column] = colour
    return picture


def number_of(picture: NDArray[np.uint8]) -> int:
    """The number that :func:`draw` wrote into a picture."""
    height, width = picture.shape[:2]
    bars = picture[height // 2, [(2 * bit + 1) * width // (2 * N_BITS) for bit in range(N_BITS)]]
    return sum(int(bar.mean() > 128) << bit for bit, bar in enumerate(bars))


def corners_of(picture: NDArray[np.uint8]) -> list[tuple[int, ...]]:
    """Colours of the corners, rounded to 0 or 255: top left, top right, bottom left, bottom right."""
    height, width = picture.shape[:2]
    places = ((8, 8), (8, width - 8), (height - 8, 8), (height - 8, width - 8))
    return [tuple(255 if value > 128 else 0 for value in picture[place]) for place in places]
