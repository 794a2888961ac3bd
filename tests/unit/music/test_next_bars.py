"""Bars beyond the end: which ones are chosen, how they are joined, and how they are judged."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from sensorium.music import continuation
from sensorium.music.continuation import HELD, Continuation, padded, together
from sensorium.music.evaluation import bar_scores
from sensorium.music.evaluation.bar_scores import AGAINST, AHEAD, BEST, OTHER, RULE, Passage, difference, mean_score
from sensorium.music.next_bars import FADE, bars_as_heard, joined, next_bars, repeated_bars, resemblance
from sensorium.music.sound_files import RATE


def song_of(form: str, noise: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Features of bars, a letter each, of which those of one letter are alike, and the letters' own."""
    rng = np.random.default_rng(0)
    own = {letter: rng.standard_normal(40) for letter in sorted(set(form))}
    return np.stack([own[letter] + noise * rng.standard_normal(40) for letter in form]), np.array(list(form))


# The choice ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("abcdabcdabcd", "abcdabcd"),  # a phrase goes on ...
        ("abcdabcdabcdab", "cdabcdab"),  # ... from where it is
        ("aaaaaaaxaaaaaaax", "aaaaaaax"),  # the eighth bar has a fill
        ("abababab", "abababab"),
        ("aa", "aaaaaaaa"),
        ("a", "aaaaaaaa"),
    ],
)
def test_what_returns_is_expected_to_return(form: str, expected: str) -> None:
    bars, letters = song_of(form)
    assert "".join(letters[next_bars(resemblance(bars), 8)]) == expected


def test_accidents_do_not_mislead() -> None:
    """One of the last bars is unlike all others of its letter, and the phrase goes on."""
    bars, letters = song_of("abcd" * 4)
    bars[12] += 2 * np.random.default_rng(1).standard_normal(40)
    picked = next_bars(resemblance(bars), 8)
    assert "".join(letters[picked]) == "abcdabcd"


def test_bars_are_repeated() -> None:
    assert repeated_bars(16, 4, 6) == [12, 13, 14, 15, 12, 13]
    assert repeated_bars(3, 8, 4) == [0, 1, 2, 0]


def test_bars_are_heard_by_their_strokes_and_pitches() -> None:
    """Two drum patterns and two chords, each in its own order, on a bar that has no whole number of samples."""
    bar = 1.3 * RATE + 0.37
    time = np.arange(round(8 * bar)) / RATE
    place, number = time * RATE % bar, (time * RATE // bar).astype(int)
    beats = np.where(number % 2, place % (bar / 4), (place - bar / 16) % (bar / 4)) / RATE
    click = np.random.default_rng(0).standard_normal(len(time)) * np.exp(-beats / 0.01)
    tone = np.sin(2 * np.pi * np.where(number % 4 < 2, 220.0, 311.1) * time)
    drums, _ = bars_as_heard(click.astype(np.float32), bar)
    _, harmony = bars_as_heard(tone.astype(np.float32), bar)
    assert drums.shape[0] == harmony.shape[0] == 8
    for similar, period in ((resemblance(drums), 1), (resemblance(harmony), 2)):
        same = np.arange(1, 8)[:, None] // period % 2 == np.arange(1, 8) // period % 2
        assert similar[1:, 1:][same].min() > similar[1:, 1:][~same].max() + 0.2


# The joint -----------------------------------------------------------------------------------------------------------


def test_what_repeats_goes_on_without_a_seam() -> None:
    """A sound of a period of two bars, of a whole number of samples; its bars continue it exactly."""
    rng = np.random.default_rng(0)
    period = rng.standard_normal((2, 2 * 12_000)).astype(np.float32)
    sound = np.tile(period, (1, 3))
    more = joined(sound, 12_000, [2, 3, 4, 1, 2])
    expected = np.tile(period, (1, 6))[:, sound.shape[1] - FADE : sound.shape[1] + 5 * 12_000]
    np.testing.assert_allclose(more, expected, atol=1e-5)


def test_a_joint_keeps_the_stroke_and_does_not_click() -> None:
    bar = 24_000.4
    time = np.arange(round(9 * bar) - round(3 * bar))
    sound = np.sin(2 * np.pi * 0.0031 * time).astype(np.float32)
    more = joined(sound, bar, [1, 4, 2], first=3)
    assert len(more) == FADE + round(12 * bar) - round(9 * bar)
    assert np.abs(np.diff(more)).max() < 1.3 * np.abs(np.diff(sound)).max()
    whole = np.concatenate((sound[:-FADE], more))
    for place, number in ((6, 1), (7, 4), (8, 2)):  # a bar is itself until it fades
        start, source = round((3 + place) * bar) - round(3 * bar), round((3 + number) * bar) - round(3 * bar)
        np.testing.assert_array_equal(whole[start : start + 20_000], sound[source : source + 20_000])


# Piece by piece ------------------------------------------------------------------------------------------------------


def pieces(sound: np.ndarray, size: int) -> Iterator[np.ndarray]:
    return (sound[..., start : start + size] for start in range(0, sound.shape[-1], size))


def test_a_song_is_played_and_goes_on_whatever_its_pieces() -> None:
    bar, own, total = 0.8 * RATE + 0.3, 5, 9
    sound = np.random.default_rng(0).standard_normal((2, 2, round(own * bar))).astype(np.float32)
    whole = []
    for size in (10**9, 4000, 77_777):
        song = Continuation(bar, own, total, 0, drums=True)
        whole.append(np.concatenate(list(song.play(pieces(sound, size))), -1))
        assert len(song.picked) == 4
    assert whole[0].shape == (2, 2, round(total * bar))
    assert np.array_equal(whole[0][..., : round(own * bar) - FADE], sound[..., :-FADE])
    assert np.array_equal(whole[0], whole[1])
    assert np.array_equal(whole[0], whole[2])
    complete = Continuation(bar, own, own, 0, drums=False)
    assert np.array_equal(np.concatenate(list(complete.play(pieces(sound, 5000))), -1), sound)


def test_only_the_last_bars_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one of those is chosen here, whatever they are."""
    heard: list[tuple[int, ...]] = []
    monkeypatch.setattr(continuation, "next_bars", lambda similar, count: heard.append(similar.shape) or [0] * count)
    own = HELD + 6
    sound = np.random.default_rng(0).standard_normal((2, 1, own * RATE)).astype(np.float32)
    song = Continuation(float(RATE), own, own + 4, 0, drums=True)
    played = np.concatenate(list(song.play(pieces(sound, 100_000))), -1)
    assert heard == [(HELD, HELD)]
    assert song.picked == [6] * 4
    assert np.array_equal(played[..., own * RATE :][..., : RATE - FADE], sound[..., 6 * RATE :][..., : RATE - FADE])


def test_a_bar_that_is_cut_never_comes_again() -> None:
    sound = np.random.default_rng(0).standard_normal((2, 1, 3 * RATE)).astype(np.float32)
    song = Continuation(float(RATE), 3, 11, 1, drums=False)
    played = np.concatenate(list(song.play(pieces(sound, 9999))), -1)
    assert played.shape[-1] == 11 * RATE
    assert set(song.picked) == {1, 2}
    for place, number in enumerate(song.picked, start=3):
        part = slice(0, RATE - FADE)
        assert np.array_equal(played[..., place * RATE :][..., part], sound[..., number * RATE :][..., part])


def test_sounds_are_laid_beside_each_other() -> None:
    first, second = np.arange(10.0)[None], np.arange(10.0)[None] + 100
    parts = list(together([pieces(first, 4), pieces(second, 3)]))
    assert all(one.shape == other.shape for one, other in parts)
    assert np.array_equal(np.concatenate([one for one, _ in parts], -1), first)
    assert np.array_equal(np.concatenate([other for _, other in parts], -1), second)
    with pytest.raises(ValueError, match="different lengths"):
        list(together([pieces(first, 4), pieces(second[:, :7], 3)]))
    assert np.concatenate(list(padded(pieces(first, 4), 1, 12)), -1)[0].tolist() == [*range(10), 0, 0]


# The judgement -------------------------------------------------------------------------------------------------------


def test_scores_of_bars_by_hand() -> None:
    values = np.array([[[2, 4], [0, 0]], [[4, 4], [1, 3]]])
    assert mean_score("strokes", values) == pytest.approx(7 / 11)
    assert mean_score("strokes", values, np.array([2.0, 0.0])) == pytest.approx(0.5)
    assert mean_score("chroma", np.array([[0.2, 0.4], [0.6, 1.0]])) == pytest.approx(0.55)
    better, low, high = difference("chroma", np.array([[0.5], [0.9]]), np.array([[0.4], [0.8]]))
    assert (better, low, high) == pytest.approx((0.1, 0.1, 0.1))


def test_own_passages_are_judged() -> None:
    passages = list(bar_scores.own_passages(2, 7))
    for passage in passages:
        assert passage.stems.shape == (2, (passage.given + AHEAD) * passage.bar)
        assert passage.given in range(12, 25)
    found = bar_scores.scores_of_bars(passages)
    assert {RULE, AGAINST, OTHER, BEST} <= set(found)
    for score in ("strokes", "pitches"):
        values = {name: mean_score(score, each[score]) for name, each in found.items()}
        assert values[BEST] == max(values.values())
        assert values[OTHER] < values[RULE] - 0.1
    for score in ("onsets", "chroma"):
        assert found[RULE][score].shape == (2, AHEAD)
        assert OTHER not in [name for name, each in found.items() if score in each]


def test_a_loop_is_continued_perfectly() -> None:
    """Strokes, pitches and sounds that repeat every four bars: the truth is an earlier bar."""
    own = next(bar_scores.own_passages(1, 7))
    four = slice(0, 4)
    loop = Passage(
        np.tile(own.strokes[four], (5, 1, 1)), np.tile(own.pitches[four], (5, 1, 1)),
        np.tile(own.stems[:, : 4 * own.bar], (1, 5)), own.bar,
    )  # fmt: skip
    found = bar_scores.scores_of_bars([loop, loop])
    for name in (RULE, AGAINST):
        for score in ("strokes", "pitches"):
            assert mean_score(score, found[name][score]) == pytest.approx(1)
        for score in ("onsets", "chroma"):
            assert mean_score(score, found[name][score]) > 0.95
