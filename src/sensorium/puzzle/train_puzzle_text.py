"""Prime the text codes: learn words, count their contexts, fit what each counter adds; no network, no steps."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sensorium.artifacts import digest, write_manifest
from sensorium.config import canonical_json, parse_section
from sensorium.data.quarantine import BadDataError
from sensorium.progress import say
from sensorium.puzzle.collect_texts import StoredText, read_texts
from sensorium.puzzle.counter_weights import fit
from sensorium.puzzle.priming import Decisions, count, look_up, node_counts, page_states
from sensorium.puzzle.text_codes import KIND, TextCodes, write_arrays
from sensorium.puzzle.text_config import PuzzleTextConfig
from sensorium.puzzle.word_tree import WordTree, huffman_lengths
from sensorium.puzzle.words import Vocabulary, train_words
from sensorium.randomness import stable_seed
from sensorium.training.execution import Execution, add_arguments

REVISION = 1
PAGE_BYTES = 1500  # of a page that is fitted on: about what a grid holds


def main(argv: list[str]) -> None:
    """Run `sensorium train-puzzle-text`."""
    parser = argparse.ArgumentParser(prog="sensorium train-puzzle-text", description=__doc__)
    parser.add_argument("--config", required=True, help="section puzzle.text, as JSON")
    parser.add_argument("--texts", type=Path, required=True, metavar="MANIFEST", help="manifest of the texts")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="folder of the artifact")
    add_arguments(parser)
    args = parser.parse_args(argv)
    Execution.from_args(args).prepare()
    config = parse_section(PuzzleTextConfig, args.config)
    texts = read_texts(args.texts)
    arrays = prime(config, texts)
    TextCodes(arrays)
    path = args.output / "model.safetensors"
    write_arrays(path, arrays)
    counted = [text for text in texts if text.split == "counted"]
    write_manifest(
        args.output,
        kind=KIND,
        section_json=canonical_json(config),
        inputs={"texts": digest(args.texts)},
        files={"model": path},
        details={
            "words": len(arrays["lengths"]),
            "counters_used": float((arrays["counters"] > 0).mean()),
            "counted_texts": len(counted),
            "counted_bytes": sum(len(text.content) for text in counted),
        },
    )
    say(f"{path}: {path.stat().st_size} bytes")


def prime(config: PuzzleTextConfig, texts: Sequence[StoredText]) -> dict[str, np.ndarray]:
    """The arrays of the artifact (`text_codes.ARRAYS`), from the texts that are counted and fitted; none is judged.

    Raises:
        BadDataError: if the texts have too few words or pages.
    """
    counted = [text.content for text in texts if text.split == "counted"]
    pages = pages_of([text.content for text in texts if text.split == "fitted"])
    merges = train_words(counted, config.words)
    words = Vocabulary(merges)
    if len(words) < config.words or len(pages) < 2:
        raise BadDataError(
            f"the texts make {len(words)} words of {config.words} and {len(pages)} pages to fit on; give more texts, "
            "or lower puzzle.text.words"
        )
    say(f"{len(words)} words from {sum(map(len, counted))} bytes")

    def numbers(parts: Sequence[bytes]) -> list[np.ndarray]:
        return [np.array(words.encode(part), np.int64) for part in parts]

    encoded = numbers(counted)
    lengths = huffman_lengths(np.bincount(np.concatenate(encoded), minlength=len(words)))
    tree = WordTree(lengths)
    decisions = Decisions.of(encoded, tree)
    counts, counters = node_counts(decisions, tree), count(decisions, tree, config.slots)
    say(f"{len(decisions.bits)} decisions counted, {(counters > 0).mean():.0%} of the counters used")
    del decisions
    order = np.random.default_rng(stable_seed(config.seed, "fit pages")).permutation(len(pages))
    chosen = Decisions.of(numbers([pages[place] for place in order[: config.fit_pages]]), tree)
    states, page = look_up(counters, chosen, tree), page_states(chosen, tree)
    tables = fit(counts, chosen.nodes, chosen.bits, states, page, config.fit_rounds)
    named = dict(zip(("node_odds", "state_odds", "page_odds"), tables, strict=True))
    return {"merges": merges, "lengths": lengths, "counters": counters, **named}


def pages_of(texts: Sequence[bytes], size: int = PAGE_BYTES) -> list[bytes]:
    """Texts cut into pages of `size` bytes; of an end, only half a page or more is one."""
    return [text[start : start + size] for text in texts for start in range(0, len(text) - size // 2, size)]
