"""Mutants of episodes that others recorded, of what is exported to others, of listings and of the sheet."""

from __future__ import annotations

from broken.mutant import Mutant

EPISODES = "test_episodes.py::"
LAYOUTS = f"{EPISODES}test_each_layout_becomes_the_same_recordings"
BACK = f"{EPISODES}test_to_lerobot_and_back"
ODD = "test_odd_inputs.py::test_each_odd_episode_has_its_verdict"
SETS = "test_set_listings.py::"

MUTANTS = (
    Mutant(
        "actions stay at the frame in which they were done",
        "data/offline/reader.py",
        "np.concatenate([np.zeros_like(steps[:1]), steps[: self.frames - 1]])",
        "np.concatenate([steps, steps[:1]])[: self.frames]",
        (LAYOUTS,),
    ),
    Mutant(
        "the reward after the last frame is lost",
        "data/offline/reader.py",
        "arrived[-1] += steps[-1]",
        "arrived[-1] += 0",
        (LAYOUTS,),
    ),
    Mutant(
        "links to other files are followed",
        "data/offline/hdf5.py",
        "if not isinstance(link, h5py.HardLink):",
        "if link is Ellipsis:",
        (ODD,),
    ),
    Mutant(
        "arrays in other files are read",
        "data/offline/hdf5.py",
        "if found.is_virtual or found.external:",
        "if found is Ellipsis:",
        (ODD,),
    ),
    Mutant(
        "shapes are believed whatever is stored",
        "data/offline/hdf5.py",
        "if size > MOST_COMPRESSED * stored + SMALL:",
        "if size > MOST_COMPRESSED * stored + 2**60:",
        (ODD,),
    ),
    Mutant(
        "texts are taken for numbers",
        "data/offline/episode.py",
        'NUMBERS = "biuf"',
        'NUMBERS = "biufUO"',
        (ODD,),
    ),
    Mutant(
        "headers of arrays are believed",
        "data/offline/npz.py",
        "if stored != (needed :=",
        "if -1 == (needed :=",
        (ODD,),
    ),
    Mutant(
        "rows of an episode may be in any order",
        "data/offline/lerobot_episode.py",
        "if not np.array_equal(rows, np.arange(len(rows))) or not len(rows):",
        "if not len(rows):",
        (ODD,),
    ),
    Mutant(
        "paths lead out of a set",
        "data/offline/episode.py",
        'if Path(place).is_absolute() or ".." in Path(place).parts:',
        'if place == "..":',
        (f"{EPISODES}test_paths_do_not_lead_out_of_a_set",),
    ),
    Mutant(
        "a part of a film begins where its film does",
        "data/offline/lerobot_episode.py",
        "round((frame.pts * base - zero - start) * rate)",
        "round((frame.pts * base - zero) * rate)",
        (LAYOUTS,),
    ),
    Mutant(
        "what a set states of its bounds does not matter",
        "data/offline/probe.py",
        'scales = {} if config.bounds == "unit" else',
        'scales = {} if config.bounds != "unit" else',
        (f"{EPISODES}test_numbers_are_scaled_from_the_bounds_that_the_set_states",),
    ),
    Mutant(
        "what led to a frame is exported a frame early",
        "data/offline/columns.py",
        '"next.reward": _following(array), REWARD: array}',
        '"next.reward": _following(array), REWARD: _following(array)}',
        (BACK,),
    ),
    Mutant(
        "splits of a set are drawn anew",
        "data/sources/episodes.py",
        'if config.split_by == "set":',
        'if config.split_by == "sets":',
        (BACK,),
    ),
    Mutant(
        "a changed file in a folder of a class is not noticed",
        "config/folders.py",
        'b"\\0%d\\0" % entry.stat().st_size',
        'b"\\0%d\\0" % 0',
        (f"{SETS}test_a_set_is_known_by_names_and_sizes",),
        cheap=True,
    ),
    Mutant(
        "an exchanged film is not noticed",
        "config/films.py",
        "return self._digest(self.with_beside(self.films[numbers.start : numbers.stop]))",
        "return self._digest(self.films[numbers.start : numbers.stop])",
        ("test_video_source.py::test_an_exchanged_film_makes_its_own_shard_anew",),
        cheap=True,
    ),
    Mutant(
        "pictures of two splits share a recording",
        "data/collect.py",
        'self._waiting[0][0]["split"] != entry["split"]',
        "self._waiting[0][0] is entry",
        ("test_labelled_sets.py::test_pictures_are_stored_many_to_a_recording_of_one_split",),
    ),
    Mutant(
        "bars of choices are those of their neighbours",
        "evaluation/recording_sheet.py",
        'np.arange(action["size"] + 1) - 0.5',
        'np.arange(action["size"] + 1) + 0.5',
        ("test_recording_sheet.py::test_every_choice_is_counted",),
        cheap=True,
    ),
)
