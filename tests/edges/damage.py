"""Seeded damage of files: bytes that flip, numbers that lie, ends that are missing, parts that stand twice."""

from __future__ import annotations

import json
import random
from copy import deepcopy
from typing import Any

NUMBERS = (0, 1, 2, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**48, 2**63 - 1, 2**64 - 1)
VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 5, 2**64, 10**400, 0.5, float("nan"), float("inf"), "", "x", "../../x", "/dev/zero", "\0",
    "\udcff", [], {}, [[]], {"x": 1}, [1, 2, 3], "9" * 5000,
)  # fmt: skip


def damaged(content: bytes, other: bytes, chance: random.Random) -> bytes:
    """A file after one to four kinds of damage; `other` is a valid file of which parts are put into it."""
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 4))):
        _damage(data, other, chance)
    return bytes(data)


def _damage(data: bytearray, other: bytes, chance: random.Random) -> None:
    # Half of all damage is done to the beginning, where the headers are.
    reach = len(data) if chance.random() < 0.5 else min(len(data), 256)
    place = chance.randrange(reach + 1)
    end = min(len(data), place + int(2 ** chance.uniform(0, 10)))
    kind = chance.randrange(8)
    if kind == 0:
        for _ in range(chance.choice((1, 1, 3, 16))):
            if data:
                data[chance.randrange(max(1, reach)) % len(data)] ^= 1 << chance.randrange(8)
    elif kind == 1:
        size = chance.choice((1, 2, 4, 8))
        number = chance.choice(NUMBERS) % 256**size
        data[place : place + size] = number.to_bytes(size, chance.choice(("little", "big")))
    elif kind == 2:
        data[place:end] = bytes([chance.choice((0, 255, 32))]) * (end - place)
    elif kind == 3:
        data[place:end] = chance.randbytes(end - place)
    elif kind == 4:
        del data[place:end]
    elif kind == 5:
        data[place:place] = data[place:end] * chance.choice((1, 1, 50))
    elif kind == 6:
        del data[chance.randrange(len(data) + 1) :]
    else:
        start = chance.randrange(len(other) + 1)
        data[place:end] = other[start : start + end - place]


def damaged_json(text: str, chance: random.Random) -> str:
    """JSON of which one to three values are gone, others, or of another type; now and then it is no JSON any more."""
    if chance.random() < 0.1:
        return chance.choice(("[" * 100_000, "", "5", '"', text[: len(text) // 2], "[]", "null", '{"a":' * 50_000))
    value = json.loads(text)
    for _ in range(chance.choice((1, 1, 3))):
        value = _changed(value, chance)
    return json.dumps(value)


def _changed(value: Any, chance: random.Random) -> Any:
    """One place in nested lists and dictionaries is changed."""
    if not value or not isinstance(value, dict | list) or chance.random() < 0.1:
        return deepcopy(chance.choice(VALUES))
    keys = list(value) if isinstance(value, dict) else range(len(value))
    key = chance.choice(list(keys))
    if chance.random() < 0.15:
        del value[key]
    elif chance.random() < 0.1 and isinstance(value, list):
        value += deepcopy(value)
    else:
        value[key] = _changed(value[key], chance)
    return value
