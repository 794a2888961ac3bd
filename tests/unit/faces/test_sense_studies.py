"""Studies of encoders on made-up words, drawings and rooms: they learn nothing here, but they must count rightly."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image, ImageDraw
from scipy import stats
from scipy.fft import dct
from torch import Tensor, nn

from sensorium.artifacts import ArtifactError
from sensorium.config import Training
from sensorium.evaluation.statistics import baseline_values
from sensorium.randomness import Draw
from sensorium.studies import handwriting, sight_priors, spoken_digits
from sensorium.studies.config import HandwritingConfig, SightPriorsConfig, SpokenDigitsConfig, WordAugmentation
from sensorium.studies.spoken_words import BANDS, COLUMNS, Words, augment_patches, patches, read_words, trimmed, voices

RATE = 8000
FEW = Training(steps=2, batch=8, warmup=1)
ARMS = 5


def word(pitch: float, seconds: float, silence: float = 0.0) -> Tensor:
    time = torch.arange(int(RATE * seconds)) / RATE
    sound = sum(torch.sin(2 * torch.pi * pitch * partial * time) / partial for partial in range(1, 8))
    quiet = torch.zeros(int(RATE * silence))
    return torch.cat([quiet, 0.1 * torch.as_tensor(sound), quiet])


@pytest.fixture
def spoken(tmp_path: Path) -> Path:
    """Two digits, two speakers, six recordings of each."""
    path = tmp_path / "words.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for digit in (0, 1):
            for number, speaker in enumerate(("ann", "bob")):
                for take in range(6):
                    stream = io.BytesIO()
                    wave = word((120 + 60 * number) * (1 + 2 * digit), 0.25 + 0.02 * take)
                    soundfile.write(stream, wave.numpy(), RATE, format="WAV")
                    entry = tarfile.TarInfo(f"words/{digit}/{digit}_{speaker}_{take}.wav")
                    entry.size = len(stream.getvalue())
                    archive.addfile(entry, io.BytesIO(stream.getvalue()))
    return path


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    """Two alphabets of six characters (lines of their own direction) by four writers."""
    path = tmp_path / "drawings.zip"
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(path, "w") as archive:
        for alphabet in ("One", "Two"):
            for character in range(6):
                for writer in range(1, 5):
                    picture = Image.new("L", (60, 60), 255)
                    angle = np.pi * character / 6 + 0.03 * rng.standard_normal()
                    x, y = 25 * np.cos(angle), 25 * np.sin(angle)
                    ImageDraw.Draw(picture).line([(30 - x, 30 - y), (30 + x, 30 + y)], fill=0, width=5)
                    stream = io.BytesIO()
                    picture.save(stream, "PNG")
                    archive.writestr(
                        f"set/{alphabet}/character{character:02}/{character:04}_{writer:02}.png", stream.getvalue()
                    )
    return path


def test_words_are_cut_to_where_they_sound() -> None:
    bare, padded = word(150, 0.4), word(150, 0.4, silence=0.3)
    assert len(trimmed(padded)) == pytest.approx(len(bare), abs=2 * 256)  # a window at either end
    same = patches([bare, padded, 0.2 * padded], RATE)
    assert same.shape == (3, BANDS, COLUMNS)
    inner = same[:, :, 3:-3]
    torch.testing.assert_close(inner[1], inner[2], atol=1e-3, rtol=1e-3)
    assert (inner[0] - inner[1]).abs().mean() < 0.1
    assert len(trimmed(torch.ones(10))) == 256


def test_other_voices_have_their_own_bands_and_repeat(spoken: Path) -> None:
    words = read_words(spoken)
    assert (words.rate, words.names, len(words.sounds)) == (RATE, ["ann", "bob"], 24)
    config = WordAugmentation(voices=2)
    found = voices(words, config, 1)
    assert found.shape == (24, 2, BANDS, COLUMNS)
    assert torch.equal(found, voices(words, config, 1))
    assert (found[:, 0] - found[:, 1]).float().abs().mean() > 0.05
    still = voices(words, WordAugmentation(voices=2, pitch=0.0, formant=0.0), 1)
    inner = (still[:, 0].float() - patches(words.sounds, RATE))[:, :, 6:-6]
    assert inner.abs().mean() < 0.1


def test_patch_views_depend_on_their_row_alone() -> None:
    bands, config = torch.randn(8, BANDS, COLUMNS), WordAugmentation()
    draw = Draw(0, 0, 0, 8, 8, torch.device("cpu"))
    whole = augment_patches(bands, config, draw, "a")
    torch.testing.assert_close(whole[2:5], augment_patches(bands[2:5], config, draw.rows(2, 5), "a"))
    off = WordAugmentation(crop=0.0, warp=0.0, channel=0.0, noise=0.0, mask=0.0)
    loud = bands.abs() + 2  # far above the noise of one step over silence
    torch.testing.assert_close(augment_patches(loud, off, draw, "a"), loud, atol=0.05, rtol=0)


def test_spoken_digits_leave_one_speaker_out(spoken: Path) -> None:
    config = SpokenDigitsConfig(
        archive=str(spoken), seeds=2, width=4, dim=8, augmentation=WordAugmentation(voices=2), training=FEW
    )
    findings = spoken_digits.run(config)
    rows = findings.tables[0].rows
    assert [row["speaker left out"] for row in rows] == ["ann", "bob", "mean"]
    assert findings.metrics["digits"]["n"] == 2
    assert findings.metrics["digits_expected"]["floor"] == 0.7
    assert set(findings.controls) == {"shuffled_labels"}
    for name in ("digits", "digits_few_labels"):
        rivals = baseline_values(findings.metrics[name]).keys()
        assert rivals >= {"mel patch", "mel patch, as spoken", "cepstra, as spoken", "untrained encoder"}
        assert not rivals & {"encoder", "encoder, one voice", "shuffled labels"}


def test_cepstra_are_the_cosine_transform_of_bands() -> None:
    bands = torch.randn(2, BANDS, COLUMNS)
    found = spoken_digits.cepstra(bands).unflatten(1, (spoken_digits.CEPSTRA, spoken_digits.SEGMENTS))
    whole = dct(bands.numpy(), axis=1)[:, : spoken_digits.CEPSTRA] / 2
    expected = whole.reshape(2, spoken_digits.CEPSTRA, spoken_digits.SEGMENTS, -1).mean(3)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-4)


def test_few_labels_are_of_speakers_who_are_not_left_out() -> None:
    words = Words([], RATE, np.tile([0, 1], 30), np.repeat([0, 1, 2], 20), ["a", "b", "c"])
    seen = words.speaker != 1
    few = spoken_digits.few_labels(words, seen, 4, 0)
    assert not (few & ~seen).any()
    assert [int((few & (words.digit == digit)).sum()) for digit in (0, 1)] == [4, 4]


def test_the_penalty_is_chosen_among_the_speakers_who_are_not_left_out() -> None:
    """What the speaker left out would like best changes nothing."""
    rng = np.random.default_rng(0)
    words = Words([], RATE, np.tile([0, 1], 60), np.repeat([0, 1, 2], 40), ["a", "b", "c"])
    features = rng.normal(size=(120, 30)) + words.digit[:, None] * np.eye(30)[0] * 3
    seen = words.speaker != 2
    chosen = spoken_digits.best_strength(features, words, seen)
    for other in range(3):
        features[~seen] = np.random.default_rng(other).normal(size=(40, 30)) * 10
        assert spoken_digits.best_strength(features, words, seen) == chosen


def test_partners_are_the_nearest_words_of_other_speakers() -> None:
    """Whatever each voice adds to all of its words; with a single voice there is nobody to meet."""
    said, speaker = torch.eye(4).repeat(3, 1), torch.arange(3).repeat_interleave(4)
    voiced = said + 5 * torch.randn(3, 4, generator=torch.Generator().manual_seed(0))[speaker]
    friends = spoken_digits.neighbours(voiced, speaker, 2)
    assert (speaker[friends] != speaker[:, None]).all()
    assert torch.equal(said.argmax(1)[friends], said.argmax(1)[:, None].expand(-1, 2))

    config = SpokenDigitsConfig(width=4, dim=8, neighbours=1, met=1.0, meet_after=2)
    generator = torch.Generator().manual_seed(0)
    spoken, others = (torch.randn(*shape, BANDS, COLUMNS, generator=generator) for shape in ((12,), (12, 2)))
    learner, rows = spoken_digits.WordContrast(config, spoken, others, speaker.numpy()), {"row": torch.arange(12)}
    draw = Draw(0, 0, 0, 12, 12, torch.device("cpu"))
    before = learner.views(rows, draw)
    learner.meet(1)
    assert torch.equal(learner.views(rows, draw)[1], before[1])  # too soon
    learner.meet(2)
    after = learner.views(rows, draw)
    assert torch.equal(after[0], before[0])
    assert not torch.equal(after[1], before[1])
    alone = spoken_digits.WordContrast(config, spoken, others, np.zeros(12, int))
    alone.meet(2)
    assert torch.equal(alone.views(rows, draw)[1], before[1])


def test_a_probe_never_sees_the_speaker_left_out() -> None:
    digit, seen = np.tile([0, 1], 20), np.arange(40) < 20
    features = np.stack([np.where(digit == 1, 1.0, -1.0), np.zeros(40)], 1)
    assert spoken_digits.probe(features, digit, seen, ~seen, 0.1) == 1
    features[~seen] *= -1  # the other speaker says everything the other way round
    assert spoken_digits.probe(features, digit, seen, ~seen, 0.1) == 0
    assert spoken_digits.probe(features, digit, seen, ~seen, 0.1, 1 - digit) == 1


def test_missing_archives_are_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"none.tar.gz: no such archive; set studies.spoken_digits.archive"):
        spoken_digits.run(SpokenDigitsConfig(archive=str(tmp_path / "none.tar.gz")))
    with pytest.raises(ArtifactError, match=r"none.zip: no such archive; set studies.handwriting.archive"):
        handwriting.run(HandwritingConfig(archive=str(tmp_path / "none.zip")))


def test_few_shot_separates_what_differs(drawn: Path) -> None:
    drawings = handwriting.read(drawn, 28)
    assert drawings.images.shape == (48, 28, 28)
    assert drawings.images.max() == 255
    assert (len(set(drawings.character)), len(set(drawings.writer)), drawings.names) == (12, 4, ["One", "Two"])
    one = drawings.alphabet == 0
    character, writer = drawings.character[one], drawings.writer[one]
    apart = torch.eye(12)[character]
    assert handwriting.few_shot(apart, character, writer, 50, 0) == 1
    noise = torch.randn(24, 8, generator=torch.Generator().manual_seed(0))
    assert 0.1 < handwriting.few_shot(noise, character, writer, 200, 0) < 0.32


def test_a_character_drawn_once_is_named(drawn: Path) -> None:
    with zipfile.ZipFile(drawn, "a") as archive:
        archive.writestr("set/Two/character99/0099_01.png", archive.read("set/Two/character00/0000_01.png"))
    with pytest.raises(ArtifactError, match=r"one drawing of Two/character99 alone"):
        handwriting.read(drawn, 28)


def test_what_a_mac_adds_to_an_archive_is_left_out(drawn: Path) -> None:
    before = handwriting.read(drawn, 28)
    with zipfile.ZipFile(drawn, "a") as archive:
        archive.writestr("__MACOSX/set/Two/character00/._0000_01.png", b"\0\5\x16\7")
        archive.writestr("set/Two/character00/._0000_01.png", b"\0\5\x16\7")
        archive.writestr("set/.DS_Store", b"")
    assert np.array_equal(handwriting.read(drawn, 28).images, before.images)
    with zipfile.ZipFile(drawn, "a") as archive:
        archive.writestr("set/Two/character00/0000_99.png", b"no picture")
    with pytest.raises(ArtifactError, match=r"0000_99.png': unreadable: cannot identify"):
        handwriting.read(drawn, 28)


def test_characters_are_recordings_of_their_drawings(drawn: Path) -> None:
    drawings = handwriting.read(drawn, 28)
    known = np.flatnonzero(drawings.alphabet == 1)[:-1]  # one drawing is missing: all characters do without one
    video = drawings.together(known)
    characters = np.unique(drawings.character[known])
    assert video.shape == (len(characters), 3, 28, 28, 3)
    for each, frames in zip(characters, video[..., 0].numpy(), strict=True):
        assert np.array_equal(frames, drawings.images[known[drawings.character[known] == each][:3]])


def test_handwriting_leaves_one_alphabet_out(drawn: Path) -> None:
    config = HandwritingConfig(archive=str(drawn), seeds=2, size=16, episodes=20, width=4, dim=8, training=FEW)
    findings = handwriting.run(config)
    assert [row["alphabet left out"] for row in findings.tables[0].rows] == ["One", "Two"]
    assert set(findings.metrics) == {"one_shot", "one_shot_expected", "one_shot_taught", "one_shot_taught_expected"}
    assert not findings.controls["shuffled_labels"]["passed"]


def test_alphabets_are_few_so_their_interval_is_student_s() -> None:
    names = ("encoder", "taught encoder", "untrained encoder", "raw pixels", "shuffled labels")
    values = np.random.default_rng(0).uniform(0.3, 0.9, (5, len(names)))
    rows = [{"alphabet left out": str(n), **dict(zip(names, row, strict=True))} for n, row in enumerate(values)]
    record = handwriting.conclude(HandwritingConfig(), rows).metrics["one_shot"]
    paired = stats.ttest_rel(values[:, 0], values[:, 3]).confidence_interval()
    margin = next(each["margin"] for each in record["baselines"] if each["name"] == "raw pixels")
    assert (margin["low"], margin["high"]) == pytest.approx((paired.low, paired.high))


def test_arms_have_the_same_parameters_and_other_eyes() -> None:
    config = SightPriorsConfig(width=4)
    learners = {arm: sight_priors.build_learner(config, priors, 32, 0) for arm, priors in sight_priors.ARMS.items()}
    weights = {arm: torch.cat([p.flatten() for p in each.parameters()]) for arm, each in learners.items()}
    images = torch.rand(2, 3, 32, 32)
    for arm, values in weights.items():
        assert torch.equal(values, weights["none"])
        same = torch.equal(learners[arm].encoder(images), learners["none"].encoder(images))
        assert same == (arm == "none")


def test_sight_priors_compare_every_arm() -> None:
    config = SightPriorsConfig(
        seeds=2,
        recordings=16,
        labels=(20, 40),
        test=60,
        draws=2,
        width=4,
        training=Training(steps=2, batch=8, warmup=1),
    )
    findings = sight_priors.run(config)
    assert len(findings.metrics) == 2 * (ARMS - 1)
    assert len(findings.tables[0].rows) == 2 * ARMS
    assert set(findings.controls) == {"shuffled_20_labels", "shuffled_40_labels"}


class Counts(nn.Module):
    """An encoder that says nothing."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.zeros(len(images), 2)


def test_a_blind_encoder_earns_chance_from_rooms() -> None:
    rooms = sight_priors.Rooms(SightPriorsConfig(recordings=16, labels=(40,), test=200, draws=2), 0)
    assert rooms.windows().shape[1:] == (13, 32, 32, 3)
    assert rooms.probe(Counts())[0] < 0.6


REAL = Path(__file__).parents[3] / Path(SpokenDigitsConfig().archive).parent


@pytest.mark.skipif(not REAL.is_dir(), reason="the archives of real words and drawings are not here")
def test_real_archives_are_what_the_studies_expect() -> None:
    words = read_words(Path(__file__).parents[3] / SpokenDigitsConfig().archive)
    assert (words.rate, len(words.names), np.bincount(words.speaker).tolist()) == (8000, 4, [500] * 4)
    assert np.bincount(words.digit).tolist() == [200] * 10
    some = patches(words.sounds[::100], words.rate)
    assert some.isfinite().all()
    assert 0.3 < some.std() < 3
    drawings = handwriting.read(Path(__file__).parents[3] / HandwritingConfig().archive, 28)
    assert (len(drawings.images), len(drawings.names), len(set(drawings.character))) == (2720, 5, 136)
    assert np.bincount(drawings.writer).tolist() == [136] * 20
