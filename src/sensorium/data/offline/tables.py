"""Reading Parquet of strangers: types and sizes are looked at before anything is read."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from pyarrow import compute, parquet

from sensorium.data.files import open_regular
from sensorium.data.offline.episode import LONGEST, missing, refuse_size
from sensorium.data.quarantine import BadRecordingError

EPISODE = "episode_index"


def columns_of(file: BinaryIO) -> dict[str, pa.DataType]:
    """Name -> type of the columns of an open file."""
    schema = parquet.ParquetFile(file).schema_arrow
    return dict(zip(schema.names, schema.types, strict=True))


def rows_of(path: Path, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The rows of a table, as plain values.

    Raises:
        BadRecordingError: if a column is missing, or there are too many rows.
    """
    with open_regular(path) as raw:
        table = parquet.ParquetFile(raw)
        _refuse_long(table.metadata.num_rows)
        for name in columns:
            if name not in table.schema_arrow.names:
                raise missing(f"{path.name}: {name}", table.schema_arrow.names)
        yield from table.read(columns=list(columns), use_threads=False).to_pylist()


def column_of(file: BinaryIO, name: str, episode: int) -> pa.ChunkedArray:
    """A column of the rows of an episode; row groups that hold none of it are not read.

    Raises:
        BadRecordingError: if there are too many rows.
    """
    file.seek(0)
    table = parquet.ParquetFile(file)
    metadata, parts = table.metadata, []
    number = [metadata.schema.column(k).path for k in range(metadata.num_columns)].index(EPISODE)
    for group in range(metadata.num_row_groups):
        about = metadata.row_group(group)
        known = about.column(number).statistics
        if known is not None and known.has_min_max and not known.min <= episode <= known.max:
            continue
        _refuse_long(about.num_rows)
        part = table.read_row_group(group, columns=[name, EPISODE], use_threads=False)
        parts.append(part.filter(compute.equal(part[EPISODE], episode))[name])
    chunks = [chunk for part in parts for chunk in part.chunks]
    return pa.chunked_array(chunks, type=table.schema_arrow.field(name).type)


def kind_of(kind: pa.DataType) -> tuple[np.dtype, bool]:
    """The dtype of the numbers of a type, and whether there is a list of them in each row."""
    listed = pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind) or pa.types.is_large_list(kind)
    inner = kind.value_type if listed else kind
    while listed and (pa.types.is_list(inner) or pa.types.is_fixed_size_list(inner)):
        inner = inner.value_type
    if not (pa.types.is_integer(inner) or pa.types.is_floating(inner) or pa.types.is_boolean(inner)):
        raise BadRecordingError(f"a column holds {kind}, no numbers", "objects")
    return np.dtype(inner.to_pandas_dtype()), listed


def numbers(column: pa.ChunkedArray, name: str) -> np.ndarray:
    """A column as an array [T] or [T, n].

    Raises:
        BadRecordingError: if it holds no numbers, has empty rows, or rows of different lengths.
    """
    dtype, listed = kind_of(column.type)
    if column.null_count:
        raise BadRecordingError(f"{name!r} is empty in {column.null_count} rows", "missing")
    rows = len(column)
    values: Any = column.combine_chunks()
    if isinstance(values, pa.ChunkedArray):
        values = values.chunk(0) if values.num_chunks else pa.array([], column.type)
    while isinstance(values, pa.ListArray | pa.LargeListArray | pa.FixedSizeListArray):
        if not isinstance(values, pa.FixedSizeListArray) and len(set(np.diff(values.offsets.to_numpy()))) > 1:
            raise BadRecordingError(f"{name!r} has rows of different lengths", "lengths")
        values = values.flatten()
    if values.null_count:
        raise BadRecordingError(f"{name!r} has {values.null_count} numbers that are empty", "missing")
    refuse_size(name, dtype, (len(values),))
    flat = values.to_numpy(zero_copy_only=False).astype(dtype, copy=False)
    return flat.reshape(rows, -1) if listed else flat


def images(column: pa.ChunkedArray, name: str) -> Iterator[io.BytesIO]:
    """The coded pictures in a column.

    Raises:
        BadRecordingError: if a picture lies in another file.
    """
    for row in column:
        value = row.as_py()
        content = value.get("bytes") if isinstance(value, dict) else value
        if not isinstance(content, bytes):
            raise BadRecordingError(f"a picture of {name!r} is not in the table", "outside")
        yield io.BytesIO(content)


def _refuse_long(rows: int) -> None:
    if rows > LONGEST:
        raise BadRecordingError(f"{rows} rows in one part", "too_large")
