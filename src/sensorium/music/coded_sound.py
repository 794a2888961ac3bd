"""A file of codes: a header, then blocks of latents, each with a checksum; any part decodes without the rest.

The codes of a latent are the digits of one number in base K, the first of them counting least, written in `bits` bits,
the fewest that hold any such number. A block has BLOCK latents of all channels, one latent after the other, and ends
with a checksum of 16 bits. Blocks but the last have one size, so the place of a latent follows from its number.

    4 bytes   MAGIC                      1  VERSION        1  quantiser      1  channels      1  zero
    4         samples a second           2  samples of a latent              2  codes of a latent
    4         K                          4  samples        4  gain           8  digest of the model
    2         checksum of the header

Numbers are little-endian, bits within a block run from the most significant on. `gain` is what the sound was multiplied
by before it was coded. The digest is the beginning of the SHA-256 of the model's weights, for codes mean nothing
without them.
"""

from __future__ import annotations

import math
import struct
from binascii import crc_hqx
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from sensorium.artifacts import atomic_path

MAGIC, VERSION = b"SNSC", 1
HEADER = struct.Struct("<4sBBBBIHHIIf8sH")
KINDS = ("none", "fsq", "rvq")
BLOCK = 256  # latents: a multiple of 8, so that a block is whole bytes
CHECKSUM = 2  # bytes


class CodedSoundError(Exception):
    """A file of codes that cannot be decoded: the message names it, what is wrong and the way out (exit 65)."""

    exit_code = 65


@dataclass(frozen=True)
class Header:
    """What a file of codes says of itself.

    Attributes:
        quantiser: its kind.
        channels: of the sound.
        rate: samples a second.
        hop: samples of a latent.
        codes: of a latent.
        base: K.
        samples: of each channel.
        gain: what the sound was multiplied by.
        model: beginning of the digest of the model's weights, 8 bytes.
    """

    quantiser: str
    channels: int
    rate: int
    hop: int
    codes: int
    base: int
    samples: int
    gain: float
    model: bytes

    @property
    def bits(self) -> int:
        """Of a latent of one channel."""
        return (self.base**self.codes - 1).bit_length()

    @property
    def latents(self) -> int:
        """Of each channel."""
        return -(-self.samples // self.hop)

    def packed(self) -> bytes:
        """Its bytes."""
        kind = KINDS.index(self.quantiser)
        values = (self.channels, 0, self.rate, self.hop, self.codes, self.base, self.samples, self.gain, self.model)
        body = HEADER.pack(MAGIC, VERSION, kind, *values, 0)[:-CHECKSUM]
        return body + _checksum(body)

    def block_bytes(self, latents: int = BLOCK) -> int:
        """Bytes of a block of so many latents."""
        return -(-latents * self.channels * self.bits // 8) + CHECKSUM

    def file_bytes(self) -> int:
        """Bytes of the whole file."""
        blocks, rest = divmod(self.latents, BLOCK)
        return HEADER.size + blocks * self.block_bytes() + (self.block_bytes(rest) if rest else 0)


def write_codes(path: Path, header: Header, codes: np.ndarray) -> int:
    """Write a file of codes int [channels, T, n]; its bytes."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(header.packed())
        for start in range(0, codes.shape[1], BLOCK):
            file.write(_packed(codes[:, start : start + BLOCK], header))
        return file.tell()


class CodedSound:
    """A file of codes that is open.

    Attributes:
        path: of the file.
        header: what it says of itself.
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path, self._file = path, file
        self.header = self._read_header()

    def _read_header(self) -> Header:
        body = self._file.read(HEADER.size)
        if body[:4] != MAGIC:
            raise CodedSoundError(f"{self.path}: no file of codes; make one with: sensorium encode-sound")
        if len(body) == HEADER.size and body[4] != VERSION:
            raise CodedSoundError(f"{self.path}: version {body[4]} of the format, this program reads {VERSION}")
        if len(body) < HEADER.size or _checksum(body[:-CHECKSUM]) != body[-CHECKSUM:]:
            raise self._damaged("its header is not what was written")
        _, _, kind, channels, _, rate, hop, codes, base, samples, gain, model, _ = HEADER.unpack(body)
        possible = 0 < kind < len(KINDS) and channels and rate and hop and codes and base > 1 and samples
        if not possible or not (math.isfinite(gain) and gain > 0):
            raise self._damaged("its header says what cannot be")
        header = Header(KINDS[kind], channels, rate, hop, codes, base, samples, gain, model)
        size = self._file.seek(0, 2)
        if size != header.file_bytes():
            raise self._damaged(f"it has {size} bytes, {header.file_bytes()} were written")
        return header

    def _damaged(self, what: str) -> CodedSoundError:
        return CodedSoundError(f"{self.path}: damaged, {what}; get it again, or encode the sound again")

    def codes(self, first: int, last: int) -> np.ndarray:
        """Codes of the latents [first, last), of those that there are: int64 [channels, T, n].

        Only the blocks that hold them are read.

        Raises:
            CodedSoundError: if one of these blocks is damaged.
        """
        last = min(last, self.header.latents)
        parts = list(self._blocks(first // BLOCK, -(-last // BLOCK)))
        skip = first // BLOCK * BLOCK
        return np.concatenate(parts, 1)[:, first - skip : last - skip]

    def _blocks(self, first: int, last: int) -> Iterator[np.ndarray]:
        for number in range(first, last):
            latents = min(BLOCK, self.header.latents - number * BLOCK)
            self._file.seek(HEADER.size + number * self.header.block_bytes())
            body = self._file.read(self.header.block_bytes(latents))
            codes = None if _checksum(body[:-CHECKSUM]) != body[-CHECKSUM:] else _unpacked(body, latents, self.header)
            if codes is None:
                seconds = number * BLOCK * self.header.hop / self.header.rate
                raise self._damaged(f"block {number}, from {seconds:.1f} seconds on, is not what was written")
            yield codes


def _checksum(body: bytes) -> bytes:
    return crc_hqx(body, 0xFFFF).to_bytes(CHECKSUM, "little")


def _digits(header: Header) -> int:
    """Digits in base K that an int64 holds."""
    return max(1, int(62 / math.log2(header.base)))


def _packed(codes: np.ndarray, header: Header) -> bytes:
    """Codes [channels, T, n] of a block -> its bytes."""
    rows, size = codes.transpose(1, 0, 2).reshape(-1, header.codes).astype(np.int64), _digits(header)
    numbers = [0] * len(rows)
    for start in reversed(range(0, header.codes, size)):
        group = rows[:, start : start + size]
        values = group @ header.base ** np.arange(group.shape[1], dtype=np.int64)
        scale = header.base ** group.shape[1]
        numbers = [number * scale + value for number, value in zip(numbers, values.tolist(), strict=True)]
    wide = -(-header.bits // 8)
    whole = np.frombuffer(b"".join(number.to_bytes(wide, "big") for number in numbers), np.uint8)
    bits = np.unpackbits(whole.reshape(-1, wide), axis=1)[:, 8 * wide - header.bits :]
    body = np.packbits(bits.reshape(-1)).tobytes()
    return body + _checksum(body)


def _unpacked(block: bytes, latents: int, header: Header) -> np.ndarray | None:
    """The bytes of a block -> its codes int64 [channels, latents, n]; None if they are not those of digits."""
    rows, size, wide = latents * header.channels, _digits(header), -(-header.bits // 8)
    bits = np.unpackbits(np.frombuffer(block[:-CHECKSUM], np.uint8))
    if bits[rows * header.bits :].any():
        return None
    padded = np.pad(bits[: rows * header.bits].reshape(rows, header.bits), ((0, 0), (8 * wide - header.bits, 0)))
    numbers = [int.from_bytes(row.tobytes(), "big") for row in np.packbits(padded, axis=1)]
    if max(numbers) >= header.base**header.codes:
        return None
    codes = np.empty((rows, header.codes), np.int64)
    for start in range(0, header.codes, size):
        count = min(size, header.codes - start)
        scale = header.base**count
        values = np.array([number % scale for number in numbers], np.int64)
        numbers = [number // scale for number in numbers]
        for place in range(count):
            values, codes[:, start + place] = np.divmod(values, header.base)
    return codes.reshape(latents, header.channels, header.codes).transpose(1, 0, 2)
