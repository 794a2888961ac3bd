"""Songs on a soundfont: stems begin in silence and on time, and the test keeps them apart. Most by a stand-in synth."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import toy_synth
from pydantic import ValidationError
from toy_music import SONGS, judge, write_mask

sys.path.insert(0, str(Path(__file__).parents[2]))
import layouts
from sensorium.config import ConfigurationError
from sensorium.music.collect_songs import write_songs
from sensorium.music.config import RATE, SongsConfig
from sensorium.music.evaluation.answers import Task
from sensorium.music.general_midi import FARTHEST, KEYS, scored, varied
from sensorium.music.midi import DRUM_CHANNEL, MidiNote, MidiSong
from sensorium.music.midi_files import listed, read_songs
from sensorium.music.song import compose
from sensorium.music.song_set import SongPairs, SongSet
from sensorium.music.soundfont_config import HeardSongsConfig, UnseenSongsConfig
from sensorium.music.soundfont_songs import soundfont_songs
from sensorium.music.written_songs import full_bars

MODULE = "sensorium.music.soundfont"
FONTS = [path for place in ("/usr/share/sounds/sf3", "/usr/share/sounds/sf2") for path in Path(place).glob("*.sf*")]
GAMES = Path("/usr/share/games")
BEAT = RATE // 2


@pytest.fixture
def font(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file that the stand-in reads, in place of tinysoundfont."""
    monkeypatch.setitem(sys.modules, "tinysoundfont", toy_synth)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    path = tmp_path / "some.sf2"
    path.write_bytes(b"font")
    yield path
    sys.modules.pop(MODULE, None)


def people(folder: Path, songs: int, bars: int = 6) -> Path:
    """A folder of MIDI files in which drums and harmony play from the second bar on."""
    folder.mkdir()
    for number in range(songs):
        notes = [(beat / 2, 0.2, DRUM_CHANNEL, 36 + beat % 2 * 2) for beat in range(8, 8 * bars)]
        notes += [(float(beat), 0.9, 1, 48 + (beat * (number + 2)) % 24) for beat in range(4, 4 * bars)]
        (folder / f"{number:03d}.mid").write_bytes(layouts.midi(notes, {1: 48}))
    return folder


def settings(
    font: Path, midi: tuple[Path, ...] = (), songs: int = 4, heard: HeardSongsConfig | None = None
) -> SongsConfig:
    """The toy set with unseen songs, and perhaps others that are heard."""
    unseen = UnseenSongsConfig(soundfont=str(font), midi=tuple(map(str, midi)), songs=songs)
    return SONGS.model_copy(update={"unseen": unseen, "heard": heard or HeardSongsConfig()})


# The player ----------------------------------------------------------------------------------------------------------


def test_notes_sound_when_they_should(font: Path) -> None:
    from sensorium.music.soundfont import SoundFont

    notes = [MidiNote(5.0, 1.0, 1, 48, 69, 100), MidiNote(7.0, 0.5, 1, 48, 57, 100)]
    sound = SoundFont(font).stem(notes, 4, BEAT, 4 * BEAT)
    loud = np.abs(sound) > 1e-4
    assert int(loud.argmax()) == pytest.approx(BEAT, abs=10)
    assert not loud[2 * BEAT + RATE // 5 + 10 : 3 * BEAT].any()
    assert loud[3 * BEAT : 3 * BEAT + 100].any()
    spectrum = np.abs(np.fft.rfft(sound[BEAT : 2 * BEAT]))
    assert int(spectrum.argmax()) == 220  # of half a second: A at 440 Hz
    assert sound.shape == (4 * BEAT,)


def test_a_stem_does_not_hear_the_one_before(font: Path) -> None:
    from sensorium.music.soundfont import SoundFont

    player = SoundFont(font)
    long = [MidiNote(0.0, 9.0, 1, 48, 69, 127)]
    short = [MidiNote(0.5, 0.5, 1, 48, 50, 80)]
    first = player.stem(short, 0, BEAT, 2 * BEAT)
    player.stem(long, 0, BEAT, 2 * BEAT)
    assert np.array_equal(player.stem(short, 0, BEAT, 2 * BEAT), first)
    assert not first[: BEAT // 2 - 10].any()


def test_drums_and_missing_instruments_have_their_presets(font: Path) -> None:
    from sensorium.music.soundfont import SoundFont

    player = SoundFont(font)
    notes = [MidiNote(0, 0.1, DRUM_CHANNEL, 8, 36, 90), MidiNote(0, 0.1, DRUM_CHANNEL, 3, 38, 90)]
    notes += [MidiNote(0, 0.1, 2, 33, 40, 90), MidiNote(0, 0.1, 2, 34, 41, 90)]
    player.stem(notes, 0, BEAT, BEAT)
    assert set(player._synth.choices) == {(9, 128, 8, True), (9, 128, 0, True), (2, 0, 33, False), (2, 0, 0, False)}
    assert player.kits == [0, 8, 16]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"RIFF", "no soundfont that can be read: RIFF"), (b"font drumless", "0 drum kits and 4 instruments")],
)
def test_other_files_are_refused(content: bytes, message: str, font: Path) -> None:
    from sensorium.music.soundfont import SoundFont

    font.write_bytes(content)
    with pytest.raises(ConfigurationError, match=message):
        SoundFont(font)


def test_a_note_that_does_not_end_is_refused(font: Path) -> None:
    from sensorium.music.soundfont import SoundFont

    font.write_bytes(b"font endless")
    player = SoundFont(font)
    player.stem([MidiNote(0, 1, 1, 48, 69, 127)], 0, BEAT, BEAT)
    with pytest.raises(ConfigurationError, match="a note does not end"):
        player.stem([], 0, BEAT, BEAT)


def test_without_the_package_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "tinysoundfont", None)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    with pytest.raises(ConfigurationError, match="pip install --no-deps tinysoundfont"):
        list(soundfont_songs(settings(tmp_path / "x.sf2")))


# Songs ---------------------------------------------------------------------------------------------------------------


def test_a_composed_song_becomes_notes() -> None:
    song = compose(3, 5)
    notes = scored(song, np.random.default_rng(0), [0, 8])
    drums = [note for note in notes if note.channel == DRUM_CHANNEL]
    assert len(drums) == len(song.hits)
    assert {note.pitch for note in drums} <= set(KEYS.values())
    assert len(notes) - len(drums) == sum(map(len, song.notes.values()))
    for note, hit in zip(drums, song.hits, strict=True):
        assert note.start == pytest.approx(song.swung(hit.start), abs=0.013)
        assert note.pitch == KEYS[hit.piece]
    assert len({note.program for note in drums}) == 1


def test_only_bars_in_which_both_play_are_taken() -> None:
    notes = [MidiNote(beat / 2, 0.1, DRUM_CHANNEL, 0, 36, 90) for beat in range(8, 48)]  # bars 1 to 5
    notes += [MidiNote(float(beat), 0.1, 0, 0, 60, 90) for beat in range(20)]  # bars 0 to 4
    assert full_bars(notes, 1) == [1, 2, 3, 4]
    assert full_bars(notes, 3) == [1, 2]
    assert full_bars(notes, 5) == full_bars([], 1) == []


def test_a_set_keeps_its_sources_apart(font: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    midi = people(tmp_path / "midi", 5)
    (midi / "bad.mid").write_bytes(b"MThd")
    (midi / "short.mid").write_bytes(layouts.midi([(0.0, 1.0, 0, 60)]))
    waltz = b"\x00\xff\x58\x04\x03\x02\x18\x08"
    content = (midi / "000.mid").read_bytes()
    size = int.from_bytes(content[18:22], "big") + len(waltz)
    (midi / "waltz.mid").write_bytes(content[:18] + size.to_bytes(4, "big") + waltz + content[22:])
    write_songs(settings(font, (midi,)), tmp_path / "set")
    said = capsys.readouterr().out
    assert (
        "unseen.midi: 5 songs by people; left out: 1 no 1 bars with drums and harmony, 1 not in 4/4, 1 not readable"
        in said
    )
    songs = SongSet.open(tmp_path / "set" / "manifest.json")
    assert songs.sources() == ["own", "soundfont", "people"]
    assert [len(songs.names("test", source)) for source in songs.sources()] == [4, 4, 5]
    assert not any(songs.names("training", source) for source in ("soundfont", "people"))
    assert {name.partition("-")[0] for name in songs.names("training") + songs.names("validation")} == {"song"}
    SongPairs(songs, "training", 1.0)
    for source in ("soundfont", "people"):
        pairs = songs.pairs("test", source)
        assert len(pairs) == 2
        assert all(name.startswith(source) for pair in pairs for name in pair)
        task = Task.of(songs, 2, 1.4, source)
        assert np.abs(task.stems).max((0, 2)).min() > 0.01  # all four stems sound


def test_songs_on_soundfonts_are_functions_of_the_settings(font: Path, tmp_path: Path) -> None:
    midi = people(tmp_path / "midi", 4)
    one, again = (list(soundfont_songs(settings(font, (midi,)))) for _ in range(2))
    other = list(soundfont_songs(settings(font, (midi,)).model_copy(update={"seed": 1})))
    assert [entry for entry, _ in one] == [entry for entry, _ in again]
    for (_, left), (_, right) in zip(one, again, strict=True):
        assert all(np.array_equal(left[name], right[name]) for name in left)
    assert any(
        not np.array_equal(left["drums"], right["drums"]) for (_, left), (_, right) in zip(one, other, strict=True)
    )


def heard_songs(font: Path, folder: Path, songs: int = 3) -> HeardSongsConfig:
    """Songs for training on a second soundfont, with two passages of three songs by people."""
    other = font.with_name("other.sf2")
    other.write_bytes(b"font")
    midi = people(folder, 3, bars=9)
    return HeardSongsConfig(soundfonts=(str(other),), midi=(str(midi),), songs=songs, passages=2)


def test_training_hears_songs_on_other_soundfonts(font: Path, tmp_path: Path) -> None:
    heard = heard_songs(font, tmp_path / "heard")
    write_songs(settings(font, heard=heard), tmp_path / "set")
    songs = SongSet.open(tmp_path / "set" / "manifest.json")
    assert [len(songs.names("training", source)) for source in ("own", "soundfont", "people")] == [8, 3, 6]
    assert len(songs.names("training")) == 17
    assert not any(name.startswith("heard") for name in songs.names("validation") + songs.names("test"))
    fonts = {songs.songs[name]["instruments"][0] for name in songs.names("training", "people")}
    assert fonts == {"other.sf2"} != {songs.songs[name]["instruments"][0] for name in songs.names("test", "soundfont")}
    composed = [
        {songs.songs[name]["title"] for name in songs.names(split, "soundfont")} for split in ("training", "test")
    ]
    assert not composed[0] & composed[1]
    assert len({songs.songs[name]["first_bar"] for name in songs.names("training", "people")}) > 1
    pairs = SongPairs(songs, "training", 1.0)
    without = SongPairs(SongSet.open(write_toy(tmp_path / "plain")), "training", 1.0)
    assert len(pairs) > len(without)  # they are windows, too


def write_toy(folder: Path) -> Path:
    """The toy set without songs on soundfonts."""
    write_songs(SONGS, folder)
    return folder / "manifest.json"


def test_another_key_keeps_times_and_drums() -> None:
    notes = [
        MidiNote(0.0, 1.0, 0, 33, 40, 90),
        MidiNote(1.0, 1.0, 1, 5, 60, 90),
        MidiNote(1.0, 1.0, DRUM_CHANNEL, 0, 36, 9),
    ]
    seen = [varied(notes, np.random.default_rng(seed), [0, 8]) for seed in range(40)]
    for bass, chord, drum in seen:
        assert bass.pitch - 40 == chord.pitch - 60 in range(-FARTHEST, FARTHEST + 1)
        assert (drum.pitch, drum.start, chord.start, chord.length) == (36, 1.0, 1.0, 1.0)
        assert bass.program in range(32, 40)
    assert len({chord.pitch for _, chord, _ in seen}) > 5
    assert 10 < sum(chord.program == 5 for _, chord, _ in seen) < 40
    assert {drum.program for *_, drum in seen} == {0, 8}


def test_a_song_is_not_heard_and_judged(font: Path, tmp_path: Path) -> None:
    heard = heard_songs(font, tmp_path / "heard")
    again = tmp_path / "again"
    again.mkdir()
    for number in range(4):  # the third song of the test is one of training, under another name
        source = people(tmp_path / f"more{number}", 5) / f"{number:03d}.mid"
        (again / f"x{number}.mid").write_bytes(source.read_bytes())
    (again / "x2.mid").write_bytes((tmp_path / "heard" / "001.mid").read_bytes())
    with pytest.raises(ConfigurationError, match=r"'x2.mid' has the notes of '001.mid' of music.songs.heard.midi"):
        list(soundfont_songs(settings(font, (again,), heard=heard)))


@pytest.mark.parametrize(
    ("heard", "unseen", "message"),
    [
        ({"soundfonts": ["a.sf2"]}, {"soundfont": "a.sf2"}, "both name 'a.sf2'"),
        ({"soundfonts": ["b.sf2"], "midi": ["x/y"]}, {"soundfont": "a.sf2", "midi": ["x"]}, "hold the same songs"),
        ({"midi": ["x"]}, {}, "songs need one to sound"),
    ],
)
def test_training_and_test_are_apart(heard: dict[str, list[str]], unseen: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SongsConfig.model_validate({"heard": heard, "unseen": unseen})


def test_too_few_songs_by_people_are_refused(font: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"midi.*3 songs can be used, and two of each of 2 tempi"):
        list(soundfont_songs(settings(font, (people(tmp_path / "midi", 3),))))


def test_every_source_is_judged(font: Path, tmp_path: Path) -> None:
    """With its own metrics, and with its own floors."""
    write_songs(settings(font, (people(tmp_path / "midi", 4),)), tmp_path / "set")
    manifest = tmp_path / "set" / "manifest.json"
    result = judge({"songs": manifest, "mask": write_mask(tmp_path / "mask", manifest)}, tmp_path)
    names = {"si_sdr", "transfer", "rhythm", "harmony"}
    assert set(result["metrics"]) == names | {
        f"{source}_{name}" for source in ("soundfont", "people") for name in names
    }
    for source in ("soundfont", "people"):
        found = result["unseen"][source]
        assert all(name.startswith(source) for pair in found["pairs"] for name in pair)
        assert set(found["rows"]) == set(result["rows"])
        assert found["rows"]["cross-fade"]["si_sdr"] != result["rows"]["cross-fade"]["si_sdr"]
        floors = {each["name"]: each["value"] for each in result["metrics"][f"{source}_si_sdr"]["baselines"]}
        assert floors["cross-fade"] == pytest.approx(found["rows"]["cross-fade"]["si_sdr"], abs=1e-6)


# Settings ------------------------------------------------------------------------------------------------------------


def test_what_the_settings_name_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError, match="songs need one to sound"):
        UnseenSongsConfig(midi=("somewhere",))
    UnseenSongsConfig().check()
    monkeypatch.setattr("sensorium.music.soundfont_config.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match="tinysoundfont is not installed"):
        UnseenSongsConfig(soundfont="x.sf2").check()
    monkeypatch.setattr("sensorium.music.soundfont_config.find_spec", lambda name: name)
    with pytest.raises(ConfigurationError, match=r"'x.sf2': no such file"):
        UnseenSongsConfig(soundfont="x.sf2").check()
    (tmp_path / "x.sf2").write_bytes(b"font")
    with pytest.raises(ConfigurationError, match="'nowhere': no such folder"):
        UnseenSongsConfig(soundfont=str(tmp_path / "x.sf2"), midi=("nowhere",)).check()
    UnseenSongsConfig(soundfont=str(tmp_path / "x.sf2"), midi=(str(tmp_path),)).check()


# Where the packages are ----------------------------------------------------------------------------------------------


@pytest.mark.skipif(
    not FONTS or importlib.util.find_spec("tinysoundfont") is None,
    reason="needs pip install --no-deps tinysoundfont and apt-get install fluidr3mono-gm-soundfont",
)
def test_a_real_soundfont_is_played() -> None:
    sys.modules.pop(MODULE, None)
    from sensorium.music.soundfont import SoundFont, render_notes

    player, notes = SoundFont(FONTS[0]), scored(compose(3, 5), np.random.default_rng(0), [0])
    first, again = (render_notes(player, notes, 120, 4, 1, 0) for _ in range(2))
    for stem in ("drums", "harmony"):
        assert np.array_equal(first[stem], again[stem])
        assert 500 < np.sqrt(np.mean(first[stem].astype(float) ** 2)) < 8000


@pytest.mark.skipif(
    not list((GAMES / "doom").glob("freedoom*.wad")) or not list((GAMES / "openttd").rglob("*.mid")),
    reason="needs apt-get install openttd-openmsx freedoom",
)
def test_songs_by_people_are_read_from_debians_packages() -> None:
    songs = [song for path in listed(GAMES) for _, song in read_songs(path)]
    assert len(songs) >= 98
    assert all(isinstance(song, MidiSong) for song in songs)
    assert sum(bool(full_bars(song.notes, 4)) for song in songs if isinstance(song, MidiSong)) >= 75
