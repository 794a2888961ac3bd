"""Write a sound as codes: a file of a few kilobits a second, which `sensorium decode-sound` plays.

    sensorium encode-sound SONG.mp3 -o SONG.codes

SONG is a file of any kind that FFmpeg decodes. Stereo is mixed to one channel unless --stereo asks for two, at twice
the bits.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sensorium.artifacts import MANIFEST, read_manifest, verified_file
from sensorium.config import ConfigurationError
from sensorium.models.load import load
from sensorium.music.codec import MusicCodec
from sensorium.music.codec_pieces import encode_pieces
from sensorium.music.coded_sound import Header, write_codes
from sensorium.music.sound_files import SoundFile
from sensorium.music.streaming import LEVEL
from sensorium.progress import say
from sensorium.training.execution import Execution, add_arguments

CODEC = Path("results/music/codec") / MANIFEST


def main(argv: list[str]) -> None:
    """Run `sensorium encode-sound`."""
    parser = argparse.ArgumentParser(
        prog="sensorium encode-sound", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sound", type=Path, metavar="FILE", help="the sound")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="where the codes go")
    parser.add_argument("--stereo", action="store_true", help="keep two channels, if there are two")
    parser.add_argument("--model", type=Path, default=CODEC, metavar="MANIFEST", help="of the codec (%(default)s)")
    add_arguments(parser)
    args = parser.parse_args(argv)
    device = Execution.from_args(args).prepare()
    codec = load(MusicCodec, args.model).to(device)
    if codec.quantiser.kind == "none":
        raise ConfigurationError(
            f"{args.model}: a codec without a quantiser has no codes to write; train one with "
            "music.codec.quantiser.kind fsq or rvq"
        )
    sound = SoundFile.open(args.sound)
    written, seconds = encode(sound, args.output, codec, digest_of(args.model), 2 if args.stereo else 1)
    say(f"{args.output}: {written} bytes for {seconds:.2f} seconds, {8 * written / seconds / 1000:.2f} kbit/s")


def digest_of(manifest: Path) -> bytes:
    """By which files name the model that their codes belong to: the beginning of its weights' digest."""
    content = read_manifest(manifest, MusicCodec.kind)
    verified_file(manifest, content, "model")
    return bytes.fromhex(content["files"]["model"]["sha256"])[:8]


def encode(sound: SoundFile, output: Path, codec: MusicCodec, model: bytes, most: int) -> tuple[int, float]:
    """Write the codes of a sound with at most so many channels; bytes and seconds."""
    channels = min(most, sound.channels, 2)
    gain, samples = float(np.float32(LEVEL / sound.level)), 0

    def blocks() -> Iterator[np.ndarray]:
        nonlocal samples
        for block in sound.resampled(channels, codec.rate):
            samples += block.shape[1]
            yield gain * block

    codes = np.concatenate(list(encode_pieces(codec, blocks())), 1)
    header = Header(
        codec.quantiser.kind,
        channels,
        codec.rate,
        codec.hop,
        codes.shape[2],
        codec.quantiser.base,
        samples,
        gain,
        model,
    )
    return write_codes(output, header, codes), samples / codec.rate
