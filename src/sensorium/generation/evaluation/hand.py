"""Where the playroom's hand is in a picture: its core is the one pink spot of its size.

In pictures of less than 32 x 32 pixels the core is paler than what is looked for wherever it lies between pixels, so a
hand is often missed.

Layouts: n pictures of S x S pixels, float32 in [0, 1]; a place in a picture is (x, y) in pixels, counted from the
centre of the first.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from sensorium.data.sources.playroom.render import HAND_RADII
from sensorium.data.sources.playroom.scene import ROOM

DRAWN = 32  # pixels of a picture's side, for which REACH is meant
REACH = 2.0  # pixels that a hand may be off
SMALLEST, LARGEST = 0.7, 2.7  # pink pixels, in areas of the core: 3 to 11 pixels of a picture of 32 x 32
PINK = 0.14  # least colour by which a pixel counts: of the core 0.39, of the palm 0.01
_NEIGHBOURS = np.stack([np.zeros((3, 3)), np.ones((3, 3)), np.zeros((3, 3))])  # spots do not go on in other pictures


def pinkness(pictures: np.ndarray) -> np.ndarray:
    """How much pixels have the colour of the hand's core, [n, 3, S, S] -> [n, S, S].

    Red and blue exceed green, and red exceeds blue: no body, wall or background has both.
    """
    red, green, blue = pictures.swapaxes(0, 1)
    pink: np.ndarray = np.minimum(np.minimum(red - green, blue - green), red - blue)
    return pink


def find_hand(pictures: np.ndarray) -> np.ndarray:
    """Place of the hand in each picture [n, 3, S, S], float64 [n, 2]; NaN where there is none.

    If several spots have the size of its core, it is the one with most pink.
    """
    pink, area = pinkness(pictures), np.pi * (HAND_RADII[-1] / ROOM * pictures.shape[-1]) ** 2
    places = np.full((len(pictures), 2), np.nan)
    spots, count = ndimage.label(pink > PINK, _NEIGHBOURS)
    if not count:
        return places
    numbers = np.arange(1, count + 1)
    pixels, weight = np.bincount(spots.ravel())[1:], ndimage.sum_labels(pink, spots, numbers)
    centres = np.array(ndimage.center_of_mass(pink, spots, numbers))  # [count, 3]: picture, y, x
    fits = (pixels >= SMALLEST * area) & (pixels <= LARGEST * area)
    for spot in np.flatnonzero(fits)[np.argsort(weight[fits])]:  # the pinkest comes last
        picture, y, x = centres[spot]
        places[round(picture)] = x, y
    return places


def hand_off(pictures: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """How far the hand is from where it would be, float64 [n, H]; NaN where there is none.

    Args:
        pictures: [n, H, 3, S, S].
        truth: places of the hand in room widths, [n, H, 2].

    Returns:
        pixels of a picture of 32 x 32.
    """
    size = pictures.shape[-1]
    found = find_hand(pictures.reshape(-1, *pictures.shape[2:])).reshape(truth.shape)
    off: np.ndarray = np.linalg.norm(found - (truth * size - 0.5), axis=-1) * DRAWN / size
    return off
