"""The corpus: read without running it, and nothing that primes stands in what judges."""

from __future__ import annotations

import struct
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium.artifacts import ArtifactError, read_json, write_json
from sensorium.config import ConfigurationError
from sensorium.data.quarantine import BadDataError
from sensorium.puzzle import texts
from sensorium.puzzle.collect_texts import read_texts, write_texts
from sensorium.puzzle.separation import RUN, STRIDE, JudgedRuns
from sensorium.puzzle.text_config import CorpusConfig
from sensorium.puzzle.texts import FoundText, docstrings, messages, sources

PROSE = b"The quick brown fox jumps over the lazy dog, and the dog, who saw it come, lets it."


def catalogue(pairs: list[tuple[bytes, bytes]], order: str = "<") -> bytes:
    """A gettext catalogue, by the format of GNU gettext's manual, section 10.3."""
    strings = [original for original, _ in pairs] + [translated for _, translated in pairs]
    start = 28 + 8 * len(strings)
    table, content = b"", b""
    for string in strings:
        table += struct.pack(f"{order}2I", len(string), start + len(content))
        content += string + b"\0"
    header = struct.pack(f"{order}7I", 0x950412DE, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, 0)
    return header + table + content


@pytest.mark.parametrize("order", ["<", ">"])
def test_messages_are_the_translations(order):
    pairs = [(b"", b"Content-Type: text/plain"), (b"one", "один".encode()), (b"a\0as", b"eins\0zwei")]
    assert messages(catalogue(pairs, order)) == ["один", "eins\nzwei"]


@given(st.binary(max_size=80).map(lambda tail: b"\xde\x12\x04\x95" + tail) | st.binary(max_size=40))
@settings(max_examples=100, deadline=None)
def test_other_bytes_are_no_catalogue_or_some(content):
    with suppress(ValueError):
        assert all(isinstance(message, str) for message in messages(content))


def test_docstrings_are_read_and_not_run():
    long = "words and words, " * 10 + "and the end"
    source = f'"""{long}"""\nraise SystemExit\ndef f():\n    """short"""\nclass A:\n    """{long}again"""\n'
    assert docstrings(source) == f"{long}\n\n{long}again"


def test_a_paragraph_that_judges_is_dropped_where_it_primes():
    judged = JudgedRuns([b"Before.\n\n" + PROSE + b"\n\nAfter."])
    own = b"A paragraph of its own, which is long enough to hold many runs of characters, and shares none."
    quoted = PROSE.replace(b" ", b"\n   ")  # other line breaks hide nothing
    assert judged.without(own + b"\n\n" + quoted + b"\n\n" + own) == own + b"\n\n" + own
    assert judged.without(own) == own


def test_a_run_over_the_end_of_a_paragraph_is_noticed():
    judged = JudgedRuns([PROSE])
    half = PROSE.index(b" and")
    assert judged.without(b"Much else. " + PROSE[:half] + b"\n\n" + PROSE[half:].lstrip() + b" And more.") == b""


@given(st.integers(0, 20))
def test_runs_of_some_length_are_found_wherever_they_begin(start):
    rng = np.random.default_rng(start)
    shared = bytes(rng.integers(97, 123, RUN + STRIDE - 1).tolist())
    assert JudgedRuns([b"x" * 50 + shared]).shares(b"z" * start + shared + b"y" * 30)


def small(config: CorpusConfig) -> list[FoundText]:
    rng = np.random.default_rng(0)

    def words(count: int) -> bytes:
        return b" ".join(bytes(rng.integers(97, 123, 6).tolist()) for _ in range(count))

    found = [FoundText("python", f"python/{number}", words(3000), False) for number in range(20)]
    return [*found, FoundText("topics", "topics/a", words(300), True)]


def test_texts_are_written_with_their_provenance_and_come_back(tmp_path):
    config = CorpusConfig()
    found = small(config)
    quoting = FoundText("python", "python/quoting", found[-1].content, False)
    write_texts(config, [*found, quoting], tmp_path)
    read = read_texts(tmp_path / "manifest.json")
    assert {text.name: text.content for text in read} == {source.name: source.content for source in found}
    assert {text.split for text in read} == {"counted", "fitted", "judged"}
    assert [text.name for text in read if text.split == "judged"] == ["topics/a"]


def test_too_few_texts_and_doubled_names_are_refused(tmp_path):
    found = small(CorpusConfig())
    with pytest.raises(BadDataError, match="too few texts"):
        write_texts(CorpusConfig(), found[-3:], tmp_path)
    with pytest.raises(BadDataError, match="two texts are called 'python/0'"):
        write_texts(CorpusConfig(), [*found, found[0]], tmp_path)


@pytest.mark.parametrize("texts", [[{"bytes": 3}], [{"bytes": -1}], [{}], 3, [], [{"bytes": 10**9}]])
def test_a_list_that_does_not_fit_its_texts_is_refused(tmp_path, texts):
    write_texts(CorpusConfig(), small(CorpusConfig()), tmp_path)
    content = read_json(tmp_path / "manifest.json")
    write_json(tmp_path / "manifest.json", {**content, "details": {**content["details"], "texts": texts}})
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        read_texts(tmp_path / "manifest.json")


def test_a_machine_without_catalogues_has_texts(monkeypatch, tmp_path):
    """Python's manual judges and primes; a folder of one's own primes."""
    monkeypatch.setattr(texts, "_documented", lambda folder, most: iter([("a.py", b"text")]))
    (tmp_path / "own").mkdir()
    (tmp_path / "own/note.md").write_text("mine")
    config = CorpusConfig(packages=(), unprimed=(), catalogues=str(tmp_path / "none"), folder=str(tmp_path / "own"))
    found = list(sources(config))
    assert {source.group for source in found} >= {"python", "topics", "own"}
    assert {source.judged for source in found if source.group == "topics"} == {True, False}
    assert [source.content for source in found if source.group == "own"] == [b"mine"]
    assert len({source.name for source in found}) == len(found)


def test_a_folder_that_is_not_there_is_named():
    with pytest.raises(ConfigurationError, match="no such folder"):
        CorpusConfig(folder="/no/such/folder").check()
