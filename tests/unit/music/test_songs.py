"""Songs: functions of (seed, number), with a form beyond a loop, at any tempo; sets with disjoint splits."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_music import SONGS, write_songs

from sensorium.artifacts import ArtifactError, read_manifest
from sensorium.config import ConfigurationError, parse_section
from sensorium.music.collect_songs import perform, plan
from sensorium.music.config import BEATS, RATE, SONG_BARS, SongsConfig
from sensorium.music.evaluation.transfer_scores import chroma
from sensorium.music.parts import Note
from sensorium.music.patches import FAMILIES, draw_patch
from sensorium.music.rendering import Instruments, render
from sensorium.music.repetition import repeated
from sensorium.music.song import Song, compose
from sensorium.music.song_set import SongPairs, SongSet

INSTRUMENTS = Instruments(0, 0, {"bass": 0, "chords": 1, "lead": 2})


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small set of songs."""
    torch.set_num_threads(1)
    return write_songs(tmp_path_factory.mktemp("songs"))


# Composition ---------------------------------------------------------------------------------------------------------


def test_a_song_is_a_function_of_seed_and_number() -> None:
    assert compose(3, 5) == compose(3, 5)
    assert compose(3, 5) != compose(3, 6)
    assert compose(3, 5) != compose(4, 5)


def test_the_last_four_bars_are_no_perfect_continuation() -> None:
    """In all songs: some bars are like those four bars before, few are equal; a plain loop would score 1."""
    found = [repeated(compose(0, number)) for number in range(24)]
    strokes, harmony, exact = (np.array([each[name] for each in found]) for name in ("strokes", "harmony", "exact"))
    assert 0.6 < strokes.mean() < 0.85
    assert strokes.max() < 0.93
    assert 0.5 < harmony.mean() < 0.85
    assert harmony.max() < 0.93
    assert exact.mean() < 0.15


def test_a_loop_is_its_own_continuation() -> None:
    song, length = compose(0, 1), 4 * BEATS
    hits = [hit for hit in song.hits if hit.start < length]
    notes = [Note(0.0, 1.0, 60, 1.0), Note(2.5, 1.0, 64, 1.0)]
    loop = replace(
        song,
        hits=tuple(replace(hit, start=hit.start + k * length) for k in range(SONG_BARS // 4) for hit in hits),
        notes={"lead": tuple(replace(n, start=n.start + k * length) for k in range(SONG_BARS // 4) for n in notes)},
    )
    assert repeated(loop) == {"strokes": 1.0, "harmony": 1.0, "exact": 1.0}


def test_notes_belong_to_their_key_and_chords_to_their_bars() -> None:
    for number in range(6):
        song = compose(1, number)
        scale = {song.key.pitch(degree) % 12 for degree in range(7)}
        assert {note.pitch % 12 for notes in song.notes.values() for note in notes} <= scale
        for note in song.notes["chords"]:
            assert note.pitch % 12 in song.chord_at(note.start).tones
        assert all(0 <= hit.start < SONG_BARS * BEATS for hit in song.hits)


# Sound ---------------------------------------------------------------------------------------------------------------


def test_a_performance_is_the_same_in_every_order_and_process(manifest: Path) -> None:
    planned = list(plan(SONGS))
    songs = SongSet.open(manifest)
    for one in (planned[9], planned[2]):
        _, sound = perform(SONGS, one)
        np.testing.assert_array_equal(sound.drums, songs.field(one.name, "drums"))
        np.testing.assert_array_equal(sound.harmony, songs.field(one.name, "harmony"))
    code = (
        "from sensorium.music.collect_songs import *; import hashlib, json, sys; c = parse_section(SongsConfig, "
        "sys.argv[1]); s = perform(c, list(plan(c))[2])[1]; print(hashlib.sha256(s.harmony.tobytes()).hexdigest())"
    )

    argv = [sys.executable, "-c", code, SONGS.model_dump_json()]
    printed = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=120).stdout.strip()
    assert printed == hashlib.sha256(perform(SONGS, planned[2])[1].harmony.tobytes()).hexdigest()


def test_every_onset_is_heard_where_the_truth_says() -> None:
    """Within 5 ms after a stroke the drums are louder than just before, unless another one sounds on."""
    sound = render(compose(0, 2), INSTRUMENTS, 120, 0, 4, 0)
    energy = np.cumsum(np.concatenate(([0.0], sound.drums.astype(np.float64) ** 2)))
    places = np.unique(sound.onsets[:, 0])
    places = places[(places > 240) & (places < len(sound.drums) - 240)]
    alone = places[1:][np.diff(places) > 2000]
    rises = [(energy[at + 120] - energy[at]) > 1.5 * (energy[at] - energy[at - 120]) for at in alone]
    assert len(alone) > 15
    assert np.mean(rises) > 0.9
    elsewhere = alone + 1000
    still = [(energy[at + 120] - energy[at]) > 1.5 * (energy[at] - energy[at - 120]) for at in elsewhere]
    assert np.mean(still) < 0.2


def test_the_harmony_sounds_like_its_chords() -> None:
    """The true chord is closer to the chroma of its beat than the same chord a semitone higher."""
    song = compose(0, 3)
    sound = render(song, INSTRUMENTS, 120, 4, 4, 0)
    heard = chroma(sound.harmony[None].astype(np.float32) / 32768)[0]
    beats = (sound.beats + RATE // 4) // 2048
    right = (heard[:, beats].T * sound.chords).sum(1)
    wrong = (heard[:, beats].T * np.roll(sound.chords, 1, axis=1)).sum(1)
    assert right.mean() > wrong.mean() + 0.5


@pytest.mark.parametrize(("tempo", "beat"), [(120, 12_000), (93, 15_484)])
def test_a_song_can_be_played_at_any_tempo(tempo: float, beat: int) -> None:
    song: Song = compose(0, 4)
    sound = render(song, INSTRUMENTS, tempo, 8, 2, 0)
    assert len(sound.drums) == len(sound.harmony) == 8 * beat
    assert sound.beats.tolist() == [beat * number for number in range(8)]
    written = np.array([song.swung(hit.start) - 32 for hit in song.hits if 32 <= hit.start < 40])
    assert np.abs(sound.onsets[:, 0] / beat - np.sort(written)).max() < 0.006 * RATE / beat + 0.01


def test_levels_lie_in_their_range_and_nothing_is_clipped(manifest: Path) -> None:
    songs = SongSet.open(manifest)
    for name in songs.songs:
        for stem in ("drums", "harmony"):
            wave = songs.field(name, stem) / 32768
            assert -30 < 20 * np.log10(wave.std()) < -16.9
            assert (np.abs(wave) >= 32767 / 32768).sum() <= 1


@pytest.mark.parametrize("family", FAMILIES)
def test_every_patch_plays_its_pitch(family: str) -> None:
    role, number = next(
        (role, number)
        for role in ("bass", "chords", "lead")
        for number in range(6)
        if draw_patch(0, role, number).family == family
    )
    note = draw_patch(0, role, number).note(57, RATE)[:RATE]
    spectrum = np.abs(np.fft.rfft(note * np.hanning(len(note))))
    near = [spectrum[220 * k - 6 : 220 * k + 7].max() for k in range(1, 6)]
    assert max(near) == pytest.approx(spectrum.max())
    assert np.isfinite(note).all()


# Sets ----------------------------------------------------------------------------------------------------------------


def test_splits_share_no_song_and_no_instrument(manifest: Path) -> None:
    songs = SongSet.open(manifest)
    used = {
        split: {instrument for name in songs.names(split) for instrument in songs.songs[name]["instruments"]}
        for split in ("training", "validation", "test")
    }
    assert all(used.values())
    assert not used["training"] & used["test"]
    assert not used["training"] & used["validation"]
    assert not used["validation"] & used["test"]
    assert {split: len(songs.names(split)) for split in ("training", "validation", "test")} == SONGS.split_counts()


def test_pairs_have_one_tempo_and_no_song_twice(manifest: Path) -> None:
    songs = SongSet.open(manifest)
    pairs = songs.pairs("test")
    flat = [name for pair in pairs for name in pair]
    assert len(pairs) == 2
    assert len(set(flat)) == len(flat)
    assert set(flat) <= set(songs.names("test"))
    assert all(songs.songs[a]["tempo"] == songs.songs[b]["tempo"] for a, b in pairs)


def test_windows_are_aligned_and_functions_of_their_seeds(manifest: Path) -> None:
    songs = SongSet.open(manifest)
    pairs = SongPairs(songs, "training", 1.0)
    rows = list(range(0, len(pairs), 3))
    batch = pairs.batch(np.array(rows), [7 + row for row in rows])["stems"]
    again = pairs.batch(np.array(rows[::-1]), [7 + row for row in rows[::-1]])["stems"]
    assert torch.equal(batch, again.flip(0))
    assert not torch.equal(batch, pairs.batch(np.array(rows), [8 + row for row in rows])["stems"])
    for row in batch.numpy():
        places = []
        for song in (0, 1):
            found = [
                (name, start)
                for name in songs.names("training")
                for start in range(0, len(songs.field(name, "drums")) - RATE + 1, 60 * RATE // 160 // 1)
                if np.array_equal(songs.field(name, "drums")[start : start + RATE], row[2 * song])
            ] or [
                (name, start)
                for name in songs.names("training")
                for start in range(0, len(songs.field(name, "drums")) - RATE + 1, 60 * RATE // 120)
                if np.array_equal(songs.field(name, "drums")[start : start + RATE], row[2 * song])
            ]
            (name, start), *_ = found
            assert np.array_equal(songs.field(name, "harmony")[start : start + RATE], row[2 * song + 1])
            places.append((name, start, songs.songs[name]["tempo"]))
        assert places[0][0] != places[1][0]
        assert places[0][1:] == places[1][1:]  # one bar a song: the same beat is the same sample


def test_windows_longer_than_songs_are_refused(manifest: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"2\.00 seconds; windows have 4"):
        SongPairs(SongSet.open(manifest), "training", 4.0)


def test_a_set_that_is_not_as_listed_is_refused(manifest: Path, tmp_path: Path) -> None:
    content = read_manifest(manifest)
    shard = next(iter(content["files"]))
    (tmp_path / f"{shard}.safetensors").write_bytes((manifest.parent / f"{shard}.safetensors").read_bytes())
    path = tmp_path / "manifest.json"
    for change in ("tempo", "shard", "name"):
        changed = json.loads(json.dumps(content))
        changed["details"]["songs"][3][change] = {"tempo": 97.0, "shard": "songs-9", "name": "song-000000"}[change]
        path.write_text(json.dumps(changed))
        with pytest.raises(ArtifactError, match="song" if change != "name" else "two of one name"):
            SongSet.open(path)
    path.write_text(json.dumps(content))
    assert len(SongSet.open(path).songs) == SONGS.songs


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tempi": [100, 100]}, "none twice"),
        ({"tempi": []}, "at least one"),
        ({"tempi": [300]}, "between 40 and 240"),
        ({"songs": 20, "tempi": [100, 110, 120]}, "two of each tempo"),
    ],
)
def test_settings_that_make_no_pairs_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        parse_section(SongsConfig, json.dumps(change))
