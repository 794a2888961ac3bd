"""Play the codes that `sensorium encode-sound` wrote, or a part of them: a WAV file of floats.

    sensorium decode-sound SONG.codes -o SONG.wav
    sensorium decode-sound SONG.codes -o PART.wav --start 60 --seconds 10

A part is the same as in the whole, and only the blocks that hold it are read.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import soundfile

from sensorium.artifacts import atomic_path
from sensorium.config import ConfigurationError
from sensorium.models.load import load
from sensorium.music.codec import MusicCodec
from sensorium.music.codec_pieces import decode_pieces
from sensorium.music.coded_sound import CodedSound, CodedSoundError
from sensorium.music.encode_sound import CODEC, digest_of
from sensorium.progress import say
from sensorium.training.execution import Execution, add_arguments


def main(argv: list[str]) -> None:
    """Run `sensorium decode-sound`."""
    parser = argparse.ArgumentParser(
        prog="sensorium decode-sound", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("codes", type=Path, metavar="FILE", help="the codes")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="a .wav file")
    parser.add_argument("--start", type=float, default=0.0, metavar="SECONDS", help="where to begin (%(default)s)")
    parser.add_argument("--seconds", type=float, default=math.inf, help="how much to play (all)")
    parser.add_argument("--model", type=Path, default=CODEC, metavar="MANIFEST", help="of the codec (%(default)s)")
    add_arguments(parser)
    args = parser.parse_args(argv)
    if args.output.suffix.lower() != ".wav":
        raise ConfigurationError(f"output = {str(args.output)!r}: sounds are written as WAV files; name one .wav")
    if not (args.start >= 0 and args.seconds > 0):
        raise ConfigurationError(f"start = {args.start}, seconds = {args.seconds}: they must not be negative, or 0")
    device = Execution.from_args(args).prepare()
    codec, model = load(MusicCodec, args.model).to(device), digest_of(args.model)
    with args.codes.open("rb") as file:
        seconds = decode(CodedSound(args.codes, file), args.output, codec, model, args.start, args.seconds)
    say(f"{args.output}: {seconds:.2f} seconds at {codec.rate} samples a second")


def decode(
    coded: CodedSound, output: Path, codec: MusicCodec, model: bytes, start: float = 0.0, seconds: float = math.inf
) -> float:
    """Write a part of a coded sound; its seconds.

    Raises:
        CodedSoundError: if the codes are another model's, the part lies beyond the end, or a block is damaged.
    """
    header = coded.header
    quantiser = codec.quantiser.kind, codec.quantiser.codes, codec.quantiser.base
    same = (header.quantiser, header.codes, header.base) == quantiser and (header.rate, header.hop) == (
        codec.rate,
        codec.hop,
    )
    if header.model != model or not same:
        raise CodedSoundError(
            f"{coded.path}: its codes belong to the model whose digest begins with {header.model.hex()}, this one's "
            f"begins with {model.hex()}; name its manifest with --model"
        )
    first = round(start * header.rate)
    last = header.samples if math.isinf(seconds) else min(header.samples, round((start + seconds) * header.rate))
    if first >= last:
        raise CodedSoundError(
            f"{coded.path}: has {header.samples / header.rate:.2f} seconds, nothing after {start}; begin earlier"
        )
    with (
        atomic_path(output) as temporary,
        soundfile.SoundFile(temporary, "w", header.rate, header.channels, "FLOAT", format="WAV") as file,
    ):
        for piece in decode_pieces(codec, coded.codes, first, last):
            file.write(piece.T / header.gain)
    return (last - first) / header.rate
