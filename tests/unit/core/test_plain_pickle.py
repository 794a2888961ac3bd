"""Pickles of plain values: equal to what Python reads where they are harmless, refused at little cost where not."""

from __future__ import annotations

import pickle
import struct
import time
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

import layouts
from sensorium.data.plain_pickle import Array, PickleError, read_plain

PLAIN = {"a": [1, -2, 2**70, 1.5, None, True, False], "text": ["", "ä", "x" * 300], "tuples": ((), (1,), (1, 2, 3, 4))}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_values_are_read_as_python_reads_them(protocol: int) -> None:
    assert read_plain(pickle.dumps(PLAIN, protocol)) == PLAIN


@pytest.mark.parametrize("protocol", range(5))
@pytest.mark.parametrize("dtype", ["u1", "<i8", ">i4", "f4", "<u2"])
def test_arrays_are_read_as_python_reads_them(protocol: int, dtype: str) -> None:
    for array in (np.arange(24, dtype=dtype).reshape(2, 3, 4), np.asfortranarray(np.ones((3, 2), dtype)), np.zeros(0)):
        found = read_plain(pickle.dumps({"data": array}, protocol))["data"]
        assert isinstance(found, Array)
        numbers = found.numbers()
        np.testing.assert_array_equal(numbers, array)
        assert numbers.dtype == array.dtype


def test_a_pickle_of_python_2_is_read() -> None:
    found = read_plain(layouts.python2_pickle({"data": np.arange(6, dtype=np.uint8).reshape(2, 3), "names": ["é"]}))
    assert found["data"].numbers().tolist() == [[0, 1, 2], [3, 4, 5]]
    assert found["names"] == ["é"]


def text(value: bytes) -> bytes:
    return b"T" + struct.pack("<I", len(value)) + value


def array(shape: bytes, dtype: bytes, content: bytes, flags: bytes = b"K\x00") -> bytes:
    """A pickled array with a state of one's own."""
    made = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00t" + text(b"b") + b"tR"
    kind = b"cnumpy\ndtype\n(" + text(dtype) + b"K\x00K\x01tR(K\x03" + text(b"|") + b"NNNJ\xff\xff\xff\xff"
    return b"\x80\x02" + made + b"(K\x01" + shape + kind + b"J\xff\xff\xff\xff" + flags + b"tbI00\n" + content + b"tb."


@pytest.mark.parametrize(
    "content",
    [
        array(b"K\x02\x85", b"O8", text(bytes(16))),  # addresses in place of objects; flags 0 hide that there are any
        array(b"K\x02\x85", b"O8", b"](K\x01K\x02e"),
        array(b"K\x02\x85", b"V8", text(bytes(16))),
        array(b"K\x09\x85", b"u1", text(bytes(8))),
        array(b"J\xff\xff\xff\xff\x85", b"u1", text(bytes(8))),
        array(b"\x8a\x08" + b"\xff" * 7 + b"\x7f\x85", b"f8", text(bytes(8))),
        array(b"(" + 40 * b"K\x01" + b"t", b"u1", text(b"x")),
        array(b"N", b"u1", text(b"x")),
        array(b"K\x01\x85", b"f1", text(b"x")),
        array(b"K\x02\x85", b"u1", b"X\x03\x00\x00\x00\xc8\x80a"),
    ],
)
def test_an_array_that_is_not_one_of_numbers_is_refused(content: bytes) -> None:
    with pytest.raises(PickleError, match="array"):
        read_plain(content).numbers()


DEEP = 40_000
BOMBS: dict[str, bytes] = {
    "a memo of a gigabyte": b"\x80\x02Nr\x00\x00\x00\x04.",
    "a memo beyond all memory": b"\x80\x02Nr\xff\xff\xff\xff.",
    "a text of 4 GB": b"\x80\x02T\xff\xff\xff\x7fabc.",
    "bytes of an exabyte": b"\x80\x04\x8e" + struct.pack("<Q", 2**60) + b"abc.",
    "a frame of an exabyte": b"\x80\x04\x95" + struct.pack("<Q", 2**60) + b"N.",
    "a whole number of 2 GB": b"\x80\x02\x8b\xff\xff\xff\x7fabc.",
    "lists in lists": b"\x80\x02" + b"]" * DEEP + b"a" * (DEEP - 1) + b".",
    "tuples in tuples": b"\x80\x02N" + b"\x85" * DEEP + b".",
    "marks on marks": b"\x80\x02" + b"(" * DEEP + b"t" * DEEP + b".",
    "copies of a long text": b"\x80\x02" + text(bytes(DEEP)) + b"q\x00c_codecs\nencode\nq\x01]q\x02("
    + b"h\x01h\x00X\x06\x00\x00\x00latin1\x86R" * DEEP + b"e.",
    "lists that repeat each other": b"\x80\x02](K\x01K\x01eq\x00" + 60 * b"0](h\x00h\x00eq\x00" + b".",
    "a dictionary of tuples that repeat each other": b"\x80\x02}K\x01" + 60 * b"q\x00h\x00\x86" + b"K\x01s.",
    "a dictionary of numbers that collide": b"\x80\x02}("
    + b"".join(b"\x8a\x0b" + (k * (2**61 - 1)).to_bytes(11, "little") + b"N" for k in range(1, DEEP)) + b"u.",
    "digits without end": b"I" + b"9" * DEEP + b"\n.",
    "names of the system": b"cos\nsystem\n(S'true'\ntR.",
    "numpy by another door": b"cnumpy.core.multiarray\nfromstring\n.",
    "an attribute of an attribute": b"\x80\x04\x8c\x05numpy\x8c\x0dndarray.mro.x\x93.",
    "state for a list": b"\x80\x02]}b.",
    "an extension": b"\x80\x02\x82\x01.",
    "a persistent name": b"Px\n.",
    "an instance": b"(iposix\nsystem\n.",
    "an object": b"\x80\x02cnumpy\ndtype\n)\x81.",
    "nothing": b"",
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_costs_no_more_than_its_own_size(name: str) -> None:
    content = BOMBS[name]
    began = time.process_time()
    tracemalloc.start()
    try:
        outcome = read_plain(content)
    except PickleError:
        outcome = None
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200_000 + 100 * len(content)
    assert time.process_time() - began < 10
    del outcome  # what is nested deeply is taken apart again


@pytest.mark.parametrize("damage", [lambda c: c[: len(c) // 2], lambda c: c[:-1], lambda c: c[1:], lambda c: c[::-1]])
def test_damage_is_named(damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(PickleError):
        read_plain(damage(pickle.dumps(PLAIN, 2)))
