"""Keys, numbers, body sense and rewards that lie beside a film in a file of its name, put on the film's clock.

A row holds from its time on until the next row. action[t] led to frame t, so it is made of the rows of the time
between the frames t - 1 and t; body[t] is the row at frame t. A table with a row for each frame thus has the action
taken at frame n in row n.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.config import SignalsConfig
from sensorium.data.files import open_regular, printable
from sensorium.data.quarantine import BadRecordingError

SAME_TIME = 1e-6  # seconds; times are written with so many digits
EARLY = 2.0  # seconds by which signals may end before their film
TRUE, FALSE = ("true", "yes"), ("false", "no", "")
Table = Mapping[str, np.ndarray]


def read_signals(path: Path, config: SignalsConfig) -> Signals:
    """The signals of one film.

    Raises:
        BadRecordingError: if the file cannot be read, or lacks a column that the settings name.
    """
    try:
        table = READERS[config.suffix](path, config.columns())
        return Signals(table, config)
    except BadRecordingError as error:
        raise BadRecordingError(f"{printable(path.name)}: {error}", "signals") from None
    except Exception as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise BadRecordingError(f"{printable(path.name)}: unreadable: {printable(reason)}", "signals") from None


def _read_csv(path: Path, columns: Sequence[str]) -> Table:
    with open_regular(path) as raw:
        lines = raw.read().decode("utf-8-sig").splitlines()
    head = lines[0] if lines else ""
    rows = csv.reader(lines, delimiter=max(",;\t", key=head.count))
    names = [name.strip() for name in next(rows, [])]
    places = {name: _place(names, name) for name in columns if name}
    filled = [(number, row) for number, row in enumerate(rows, 2) if row]
    return {
        name: np.array([_number(row[place] if place < len(row) else "", name, number) for number, row in filled])
        for name, place in places.items()
    }


def _read_lines(path: Path, columns: Sequence[str]) -> Table:
    with open_regular(path) as raw:
        rows = [json.loads(line) for line in raw.read().decode("utf-8-sig").splitlines() if line.strip()]
    for number, row in enumerate(rows, 1):
        for name in filter(None, columns):
            if not isinstance(row, dict) or name not in row:
                raise BadRecordingError(f"line {number} has no {name!r}")
    return {
        name: np.array([_number(row[name], name, number) for number, row in enumerate(rows, 1)])
        for name in columns
        if name
    }


def _read_array(path: Path, columns: Sequence[str]) -> Table:
    with open_regular(path) as raw:
        array = np.load(raw, allow_pickle=False)
    if array.dtype.names:
        names: list[str] = list(array.dtype.names)
        return {name: np.asarray(array[names[_place(names, name)]], np.float64) for name in columns if name}
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise BadRecordingError(f"an array of shape {list(array.shape)}; [rows, columns] are needed")
    names = [str(number) for number in range(array.shape[1])]
    return {name: np.asarray(array[:, _place(names, name)], np.float64) for name in columns if name}


def _read_parquet(path: Path, columns: Sequence[str]) -> Table:
    try:
        from pyarrow import parquet
    except ImportError:
        raise BadRecordingError(
            "parquet is read with pyarrow, which is not installed: pip install 'sensorium[parquet]'"
        ) from None
    with open_regular(path) as raw:
        table = parquet.read_table(raw)
    for name in filter(None, columns):
        _place(table.column_names, name)
    return {name: np.asarray(table[name].to_numpy(), np.float64) for name in columns if name}


READERS = {".csv": _read_csv, ".jsonl": _read_lines, ".npy": _read_array, ".parquet": _read_parquet}


def _place(names: Sequence[str], name: str) -> int:
    if name not in names:
        raise BadRecordingError(f"no column {name!r}; it has {', '.join(map(repr, names[:20]))}")
    return names.index(name)


def _number(value: Any, name: str, line: int) -> float:
    text = value.strip().lower() if isinstance(value, str) else value
    if text in TRUE or text in FALSE:
        return float(text in TRUE)
    try:
        return float(text)
    except (TypeError, ValueError):
        raise BadRecordingError(f"line {line}: {name} is {value!r:.40}, no number") from None


class Signals:
    """The table beside a film.

    Args:
        table: column -> numbers [rows].
        config: what they mean.

    Raises:
        BadRecordingError: if a number cannot be what its column is for.
    """

    def __init__(self, table: Table, config: SignalsConfig) -> None:
        self._config = config
        rows = len(next(iter(table.values())))
        if not rows:
            raise BadRecordingError("no rows")
        clock = table[config.column] if config.column else np.arange(rows, dtype=np.float64)
        order = np.argsort(clock, kind="stable")
        self._clock = clock[order]
        self._keys = _columns(table, config.keys, order) != 0
        self._values = _columns(table, config.values, order) / config.scale
        self._body = _columns(table, config.body, order)
        self._choice = table[config.choice][order] if config.choice else np.zeros(rows)
        self._reward = table[config.reward][order] if config.reward else np.zeros(rows)
        self._check(table)

    def _check(self, table: Table) -> None:
        for name, column in table.items():
            if not np.isfinite(column).all():
                raise BadRecordingError(f"column {name!r} has {int((~np.isfinite(column)).sum())} values not finite")
        largest = float(np.abs(self._values).max(initial=0))
        if largest > 1:
            raise BadRecordingError(
                f"values reach {largest:.4g} after division by scale; actions are from -1 to 1: raise signals.scale"
            )
        wrong = (self._choice < 0) | (self._choice >= self._config.choices) | (self._choice % 1 != 0)
        if self._config.choice and wrong.any():
            raise BadRecordingError(
                f"column {self._config.choice!r} has {self._choice[wrong][0]:g}; choices are 0 to "
                f"{self._config.choices - 1}"
            )

    def take(self, first: int, frames: int, rate: int, pictures: Sequence[float]) -> dict[str, np.ndarray]:
        """The signals of some frames.

        Args:
            first, frames: the frames.
            rate: frames a second.
            pictures: seconds from the first picture of the film to each of its own, up to those shown by then.

        Returns:
            action float32 [frames, A] or int64 [frames], body float32 [frames, P] and reward float32 [frames], those
            that the settings name.
        """
        times = self._times(pictures)
        edges = np.arange(first - 1, first + frames) / rate
        cuts = np.searchsorted(times, edges - SAME_TIME)
        low, high = cuts[:-1], cuts[1:]
        fields: dict[str, np.ndarray] = {}
        if self._config.choice:
            fields["action"] = np.where(high > 0, self._choice[np.maximum(high - 1, 0)], 0).astype(np.int64)
        elif self._config.keys or self._config.values:
            late = times[np.minimum(low, len(times) - 1)] > edges[:-1] + SAME_TIME  # the row before holds at first
            before = np.where(late | (low == high), low - 1, -1)
            pressed = _sums(self._keys, low, high) + _held(self._keys, before) > 0
            count = (high - low)[:, None]
            held = _held(self._values, low - 1)
            values = np.where(count > 0, _sums(self._values, low, high) / np.maximum(count, 1), held)
            fields["action"] = np.concatenate([pressed, values], 1).astype(np.float32)
        if self._config.body:
            at = np.searchsorted(times, edges[1:] + SAME_TIME, side="right") - 1
            fields["body"] = _held(self._body, at).astype(np.float32)
        if self._config.reward:
            fields["reward"] = _sums(self._reward[:, None], low, high)[:, 0].astype(np.float32)
        return fields

    def _times(self, pictures: Sequence[float]) -> np.ndarray:
        """Seconds of each row; rows of pictures that are still to come are infinitely late."""
        if self._config.clock == "time":
            return self._clock + self._config.delay
        known = np.append(np.asarray(pictures, np.float64), np.inf)
        at = np.clip(self._clock, 0, len(pictures)).astype(np.int64)
        return known[at] + self._config.delay

    def verdicts(self, seconds: float, pictures: Sequence[float]) -> list[tuple[str, str]]:
        """What is wrong with the signals of a film of that length."""
        times = self._times(pictures)
        end = float(times[np.isfinite(times)].max(initial=-np.inf))
        if end < seconds - EARLY:
            return [("short_signals", f"they end at {end:.2f} of {seconds:.2f} s")]
        return []


def _columns(table: Table, names: Iterable[str], order: np.ndarray) -> np.ndarray:
    """Columns [rows, n] in the order of their times."""
    found = [table[name][order] for name in names]
    return np.stack(found, 1) if found else np.zeros((len(order), 0))


def _sums(columns: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Sums [frames, n] of the rows low..high of each frame."""
    first, last = int(low[0]), int(high[-1])
    sums = np.concatenate([np.zeros((1, columns.shape[1])), np.cumsum(columns[first:last], axis=0, dtype=np.float64)])
    return sums[high - first] - sums[low - first]


def _held(columns: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Rows [frames, n] that hold; before the first row all is zero."""
    return np.where((at >= 0)[:, None], columns[np.maximum(at, 0)], 0)
