"""Mutants of the gate through which films come, and of the clock that they are put on."""

from __future__ import annotations

from broken.mutant import Mutant

ODD = "test_odd_inputs.py::test_each_odd_input_has_its_verdict"
VIDEO = "test_video_source.py::"
GATE = "test_gate.py::test_bad_files_cost_themselves_and_training_sees_what_it_would_without_them"

MUTANTS = (
    Mutant(
        "sound after a gap comes too early",
        "data/soundtrack.py",
        "or abs(time - self._expected) > TOLERANCE",
        "or False",
        (f"{VIDEO}test_sound_stays_where_its_time_stamps_put_it",),
        cheap=True,
    ),
    Mutant(
        "time stamps are taken to the tick",
        "data/picture_track.py",
        "self._start - self._half_tick) * self._rate",
        "self._start) * self._rate",
        (f"{VIDEO}test_rounded_time_stamps_lose_no_picture",),
        cheap=True,
    ),
    Mutant(
        "films lie on their side",
        "data/picture_track.py",
        "round(self._newest.rotation / 90) % 4",
        "round(self._newest.rotation / 90) % 1",
        (f"{VIDEO}test_a_film_that_was_stored_lying_is_upright",),
        cheap=True,
    ),
    Mutant(
        "pieces of a bad film stay in the shard",
        "data/collect_files.py",
        "self._shard.back_to(mark)",
        "pass",
        (GATE,),
    ),
    Mutant(
        "a reader takes all the memory that it likes",
        "data/file_worker.py",
        "resource.setrlimit(resource.RLIMIT_AS, (held + limit, held + limit))",
        "held += limit",
        (GATE,),
    ),
    Mutant(
        "short recordings are taken",
        "data/cuts.py",
        "if count >= self._shortest:",
        "if count >= 1:",
        (f"{VIDEO}test_films_become_recordings_of_any_length",),
    ),
    Mutant(
        "frames that are left out are not counted",
        "data/cuts.py",
        "self.left_out.get(why, 0) + to - self._at",
        "self.left_out.get(why, 0)",
        (f"{VIDEO}test_nothing_is_left_out_in_silence",),
    ),
    Mutant(
        "no gap between two splits",
        "data/cuts.py",
        "end + gap for end in ends[:-1]",
        "end for end in ends[:-1]",
        (f"{VIDEO}test_a_film_is_split_by_time_with_a_gap",),
    ),
    Mutant(
        "a key that was let go is still down",
        "data/signals.py",
        "np.where(late | (low == high), low - 1, -1)",
        "low - 1",
        (f"{VIDEO}test_pictures_sound_and_keys_share_a_clock",),
    ),
    Mutant(
        "actions that come after their frame",
        "data/signals.py",
        "edges = np.arange(first - 1, first + frames) / rate",
        "edges = np.arange(first, first + frames + 1) / rate",
        (f"{VIDEO}test_a_row_may_name_a_picture_of_its_film",),
        cheap=True,
    ),
    Mutant(
        "suspicious files are always kept",
        "data/collect_files.py",
        'and self._config.suspicious == "leave"',
        "and False",
        (f"{VIDEO}test_suspicious_files_are_left_out_on_demand",),
    ),
    Mutant(
        "what a system hides is data",
        "config/folders.py",
        'return name.startswith(".") or name in SYSTEM',
        "return False",
        (f"{VIDEO}test_what_is_hidden_or_of_a_system_is_no_film",),
    ),
    Mutant(
        "samples are cast before they are looked at",
        "data/soundtrack.py",
        "if not np.isfinite(planes).all():",
        "if False:",
        (ODD,),
    ),
    Mutant(
        "channels that cancel are silence",
        "data/soundtrack.py",
        "if self._mixed < CANCELLED * energy:",
        "if False:",
        (ODD,),
    ),
    Mutant(
        "an Ogg file without its end is whole",
        "data/media.py",
        "if lacks_its_end(file):",
        "if False:",
        (ODD,),
    ),
    Mutant(
        "a guessed length is a promise",
        "data/media.py",
        "known = length_is_known and container.format.name not in GUESSED",
        "known = True",
        (ODD,),
    ),
    Mutant(
        "noise of swapped bytes is sound",
        "data/sound_levels.py",
        "if rms > NOISE and",
        "if rms > 9 and",
        (ODD,),
    ),
    Mutant(
        "a picture that stands still is a film",
        "data/picture_levels.py",
        "if 2 * self.still > self.looked:",
        "if False:",
        (ODD,),
    ),
    Mutant(
        "tensors that are not aligned",
        "data/shard_writer.py",
        "if rest := -self._size % ALIGNMENT:",
        "if rest := 0:",
        ("test_shard_writer.py::test_what_is_written_is_read_by_us_and_by_safetensors",),
        cheap=True,
    ),
    Mutant(
        "a header that overwrites the data",
        "data/shard_writer.py",
        "self._move(LENGTH_BYTES + room)",
        "pass",
        ("test_shard_writer.py::test_what_is_written_is_read_by_us_and_by_safetensors",),
        cheap=True,
    ),
)
