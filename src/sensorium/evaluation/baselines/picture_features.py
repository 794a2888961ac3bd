"""Features of pictures that nobody had to learn: gradients, colours, and ten plain numbers.

Pictures are float32 [n, 3, H, W] in [0, 1]; features are float64 [n, width]. PICTURE_FEATURES names them all.
"""

from __future__ import annotations

import numpy as np

SIDE, ORIENTATIONS, BLOCK = 4, 9, 2  # cells in a row, directions of a gradient, cells in a row of a block
CLIPPED = 0.2  # largest entry of a block, as Dalal and Triggs have it
LEVELS = 4  # of each channel in the histogram of colours
SHADES = 8  # of each channel where colours are counted
RARE = 0.004  # share of a picture's pixels below which a colour does not count as used
COLOURFUL, EDGE = 0.2, 0.1  # saturation and step of brightness that count
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def oriented_gradients(pictures: np.ndarray) -> np.ndarray:
    """Histograms of oriented gradients (Dalal and Triggs 2005), [n, (side - 1)^2 * BLOCK^2 * ORIENTATIONS].

    The picture is cut into side x side cells, with side the larger of 4 and 2 that divides H and W. Each pixel's
    gradient, in the channel where it is largest, votes with its magnitude for the unsigned direction it falls into.
    Overlapping blocks of 2 x 2 cells are normalised, clipped and normalised again.
    """
    height, width = pictures.shape[2:]
    side = next(cells for cells in (SIDE, SIDE // 2, 1) if height % cells == 0 and width % cells == 0)
    down, right = np.zeros_like(pictures), np.zeros_like(pictures)
    down[:, :, 1:-1] = pictures[:, :, 2:] - pictures[:, :, :-2]
    right[..., 1:-1] = pictures[..., 2:] - pictures[..., :-2]
    steepest = (down**2 + right**2).argmax(1)[:, None]
    down, right = (np.take_along_axis(part, steepest, 1)[:, 0] for part in (down, right))
    angle = np.degrees(np.arctan2(down, right)) % 180
    direction = np.minimum((angle * ORIENTATIONS / 180).astype(int), ORIENTATIONS - 1)
    votes = np.hypot(down, right).astype(np.float64)
    cells = np.empty((len(pictures), side, side, ORIENTATIONS))
    for number in range(ORIENTATIONS):
        of_it = np.where(direction == number, votes, 0).reshape(len(votes), side, height // side, side, width // side)
        cells[..., number] = of_it.mean((2, 4))
    blocks = np.lib.stride_tricks.sliding_window_view(cells, (BLOCK, BLOCK), axis=(1, 2))
    flat = blocks.reshape(len(pictures), (side - BLOCK + 1) ** 2, -1)
    clipped = np.minimum(_unit(flat), CLIPPED)
    return _unit(clipped).reshape(len(pictures), -1)


def _unit(rows: np.ndarray) -> np.ndarray:
    """Rows of length one; a row without any gradient stays zero."""
    return rows / np.sqrt((rows**2).sum(-1, keepdims=True) + 1e-10)


def colour_histogram(pictures: np.ndarray) -> np.ndarray:
    """Share of the pixels in each of LEVELS^3 colours, as a square root, [n, 64]."""
    return np.sqrt(_shares(pictures, LEVELS))


def _shares(pictures: np.ndarray, levels: int) -> np.ndarray:
    """Share of the pixels in each of levels^3 colours, [n, levels^3]."""
    step = np.minimum((pictures * levels).astype(int), levels - 1)
    colour = ((step[:, 0] * levels + step[:, 1]) * levels + step[:, 2]).reshape(len(pictures), -1)
    rows = np.arange(len(pictures))[:, None] * levels**3
    counts = np.bincount((rows + colour).ravel(), minlength=len(pictures) * levels**3)
    return counts.reshape(len(pictures), -1) / colour.shape[1]


def plain_numbers(pictures: np.ndarray) -> np.ndarray:
    """Ten numbers of each picture, [n, 10].

    Colours used; entropy of the colours in bits; brightness, its standard deviation; mean saturation, its standard
    deviation, share of saturated pixels; hues used by those; mean square of the steps of brightness, share of edges.
    """
    shares = _shares(pictures, SHADES)
    entropy = -(shares * np.log2(np.maximum(shares, 1e-12))).sum(1)
    grey = np.tensordot(pictures, _LUMA, axes=(1, 0))
    saturation = pictures.max(1) - pictures.min(1)
    coloured = saturation > COLOURFUL
    steps = [np.diff(grey, axis=axis) for axis in (1, 2)]
    return np.column_stack(
        [
            (shares > RARE).sum(1),
            entropy,
            grey.mean((1, 2)),
            grey.std((1, 2)),
            saturation.mean((1, 2)),
            saturation.std((1, 2)),
            coloured.mean((1, 2)),
            _hues_used(pictures, saturation, coloured),
            sum((step**2).mean((1, 2)) for step in steps),
            sum((np.abs(step) > EDGE).mean((1, 2)) for step in steps),
        ]
    ).astype(np.float64)


def _hues_used(pictures: np.ndarray, saturation: np.ndarray, coloured: np.ndarray, hues: int = 12) -> np.ndarray:
    """How many of `hues` sectors of the colour circle hold more than RARE of a picture's pixels, int [n]."""
    red, green, blue = np.moveaxis(pictures, 1, 0)
    spread = np.maximum(saturation, 1e-6)
    largest = pictures.argmax(1)
    hue = np.choose(largest, [((green - blue) / spread) % 6, (blue - red) / spread + 2, (red - green) / spread + 4])
    sector = np.minimum((hue * hues / 6).astype(int), hues - 1)
    return sum(((sector == number) & coloured).mean((1, 2)) > RARE for number in range(hues))


def colours_used(pictures: np.ndarray) -> np.ndarray:
    """The first of the plain numbers alone, [n, 1]: by training recordings the best of them for counting bodies."""
    return (_shares(pictures, SHADES) > RARE).sum(1, keepdims=True).astype(np.float64)


PICTURE_FEATURES = {
    "histograms of oriented gradients": oriented_gradients,
    "colour histogram": colour_histogram,
    "ten plain numbers": plain_numbers,
    "colours used": colours_used,
}
