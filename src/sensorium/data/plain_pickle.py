"""Pickles of plain values: numbers, text, lists, dictionaries with keys of text, and arrays of numbers.

A pickle is a program. Python's own interpreter of it calls what the file names, fills numpy's objects with bytes of the
file, and reserves as much memory as an index in the file demands. The interpreter here makes plain values and nothing
else: it compares names and imports none. Every instruction costs a constant, or its own length in the file, so reading
takes time and memory in proportion to the file.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pickletools import genops
from typing import Any

import numpy as np


class PickleError(ValueError):
    """The file is damaged, or holds more than plain values."""


@dataclass
class Dtype:
    """Stands for a dtype of numpy: kind and size such as "u1", and the order of its bytes."""

    code: Any
    order: Any = "|"


@dataclass
class Array:
    """Stands for an array of numpy; `numbers` makes the array."""

    state: Any = None

    def numbers(self) -> np.ndarray:
        """The array of integers or floats.

        Raises:
            PickleError: if its type is another one, or its bytes do not fill its shape.
        """
        match self.state:
            case (_, tuple(shape), Dtype(str(code), str(order)), columns_first, str() | bytes() as content):
                if re.fullmatch("[iu][1248]|f[248]", code) and order in "|<>=" and all(type(n) is int for n in shape):
                    raw = content.encode("latin1", "ignore") if isinstance(content, str) else content
                    if (
                        len(shape) <= 4
                        and min(shape, default=0) >= 0
                        and len(raw) == len(content) == int(code[1]) * math.prod(shape)
                    ):
                        flat = np.frombuffer(raw, np.dtype(order.replace("|", "=") + code))
                        return flat.reshape(shape, order="F" if columns_first else "C")
        raise PickleError("it holds an array that is not one of numbers, or whose bytes do not fill its shape")


NDARRAY = "numpy.ndarray"
# What a file may name, and what is done when it is called. Text that stands for bytes stays text, one character a byte.
CALLS: dict[str, Callable[..., Any]] = {
    "numpy.core.multiarray._reconstruct": lambda kind, shape, code: Array(),
    "numpy._core.multiarray._reconstruct": lambda kind, shape, code: Array(),
    "numpy.dtype": lambda code, align=False, copy=True: Dtype(code),
    "_codecs.encode": lambda text, encoding: text,
    "__builtin__.bytes": lambda: b"",
}
PLAIN = set(
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE "
    "SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8".split()
)
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
EMPTY: dict[str, Callable[[], Any]] = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_TUPLE": tuple}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
PUT, GET = {"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"}, {"GET", "BINGET", "LONG_BINGET"}
_MARK = object()


@dataclass(frozen=True)
class Name:
    """A name that the file mentions, such as "numpy.dtype"."""

    text: str


def read_plain(content: bytes) -> Any:
    """The value of a pickle; arrays are `Array`, and text of Python 2 is decoded as Latin-1.

    Raises:
        PickleError: if the content is no pickle of plain values; the message says why.
    """
    try:
        return _Machine().run(content)
    except PickleError:
        raise
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise PickleError(f"it is damaged ({type(error).__name__})") from None


class _Machine:
    """The stack, the marks on it and the memo; one method for each family of instructions."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def run(self, content: bytes) -> Any:
        for code, argument, _ in genops(content):
            name = code.name
            if name == "STOP":
                return self._stack.pop()
            if name in PLAIN:
                self._stack.append(argument)
            elif name in CONSTANTS:
                self._stack.append(CONSTANTS[name])
            elif name in EMPTY:
                self._stack.append(EMPTY[name]())
            elif name in PUT:
                self._memo[len(self._memo) if argument is None else int(argument)] = self._stack[-1]
            elif name in GET:
                self._stack.append(self._memo[int(argument or 0)])
            elif name in TUPLES:
                self._stack[-TUPLES[name] :] = [tuple(self._stack[-TUPLES[name] :])]
            elif name == "MARK":
                self._stack.append(_MARK)
            elif name not in ("PROTO", "FRAME"):
                self._act(name, argument)
        raise PickleError("it has no end")

    def _act(self, name: str, argument: Any) -> None:
        """Instructions that take values from the stack."""
        stack = self._stack
        if name in ("GLOBAL", "STACK_GLOBAL"):
            parts = argument.split(" ", 1) if name == "GLOBAL" else [stack.pop(-2), stack.pop()]
            self._name(".".join(parts))
        elif name == "TUPLE":
            stack.append(tuple(self._marked()))
        elif name == "LIST":
            stack.append(self._marked())
        elif name == "DICT":
            items = self._marked()
            stack.append({})
            self._set_items(items)
        elif name in ("APPEND", "APPENDS"):
            items = self._marked() if name == "APPENDS" else [stack.pop()]
            _only(stack[-1], list).extend(items)
        elif name in ("SETITEM", "SETITEMS"):
            self._set_items(self._marked() if name == "SETITEMS" else [stack.pop(-2), stack.pop()])
        elif name == "REDUCE":
            arguments, called = _only(stack.pop(), tuple), _only(stack.pop(), Name)
            stack.append(CALLS[called.text](*arguments))
        elif name == "BUILD":
            state, target = stack.pop(), stack[-1]
            if isinstance(target, Dtype):
                target.order = _only(state, tuple)[1]
            else:
                _only(target, Array).state = state
        else:
            raise PickleError(f"it uses {name}, which a set of pictures does not need")

    def _name(self, text: str) -> None:
        if text not in CALLS and text != NDARRAY:
            raise PickleError(f"it names {text}, which a set of pictures does not need")
        self._stack.append(Name(text))

    def _marked(self) -> list[Any]:
        """Take what lies above the last mark."""
        place = len(self._stack) - 1
        while self._stack[place] is not _MARK:
            place -= 1
            if place < 0:
                raise PickleError("it is damaged (no mark)")
        items = self._stack[place + 1 :]
        del self._stack[place:]
        return items

    def _set_items(self, items: list[Any]) -> None:
        # Keys of text alone: numbers can be chosen to collide, and the hash of nested tuples can take for ever.
        for key, value in zip(items[::2], items[1::2], strict=True):
            _only(self._stack[-1], dict)[_only(key, str)] = value


def _only(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise PickleError(f"it has a {type(value).__name__} where a {kind.__name__} belongs")
    return value
