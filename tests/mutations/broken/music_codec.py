"""Mutants of the codec, of its files and of what judges it."""

from __future__ import annotations

from broken.mutant import Mutant

MUTANTS = (
    Mutant(
        "a transform whose aliasing does not cancel",
        "music/mdct.py",
        "place = torch.arange(2 * hop, dtype=torch.float64), torch.arange(hop, dtype=torch.float64)\n",
        "place = torch.arange(2 * hop, dtype=torch.float64), torch.arange(hop, dtype=torch.float64) + 0.01\n",
        ("test_codec.py::test_the_transform_comes_back",),
        cheap=True,
    ),
    Mutant(
        "a codec that hears one latent further than it says",
        "music/mdct_codec.py",
        "        self.context = 1 + sum(steps)\n",
        "        self.context = sum(steps) - 1\n",
        ("test_codec_files.py::test_pieces_are_the_whole",),
    ),
    Mutant(
        "losses weigh as much as they happen to",
        "music/gradient_shares.py",
        " / self.squares.sqrt()\n",
        "\n",
        ("test_codec.py::test_shares_of_the_gradient_do_not_depend_on_the_scale_of_a_loss",),
    ),
    Mutant(
        "norms of gradients that depend on the micro-batch",
        "music/gradient_shares.py",
        'metrics[f"gradient_{name}"] = gradient.flatten(1).square().sum(1).mean()',
        'metrics[f"gradient_{name}"] = gradient.square().sum()',
        ("test_codec.py::test_weights_do_not_depend_on_how_a_batch_is_divided",),
    ),
    Mutant(
        "the sum of all gradients without the size of the batch",
        "music/gradient_shares.py",
        "surrogate = (output * carried).sum() / len(output)",
        "surrogate = (output * carried).sum()",
        ("test_codec.py::test_weights_do_not_depend_on_how_a_batch_is_divided",),
    ),
    Mutant(
        "codes that are not those of the latents",
        "music/codec_quantiser.py",
        "            return self.out(self.rounding.decode(codes)[..., 0])\n",
        "            return self.out(self.rounding.decode(codes.flip(-1))[..., 0])\n",
        ("test_codec.py::test_latents_come_from_their_codes",),
    ),
    Mutant(
        "usage of all places as if they were one",
        "music/codec_learner.py",
        "for place in codes.flatten(0, -2).T) / codes.shape[-1] / even)",
        "for place in codes.flatten()[None]) / even)",
        ("test_codec.py::test_usage_by_hand",),
    ),
    Mutant(
        "digits in another order than they were written",
        "music/coded_sound.py",
        "    for start in reversed(range(0, header.codes, size)):\n",
        "    for start in range(0, header.codes, size):\n",
        ("test_codec_files.py::test_codes_come_back",),
        cheap=True,
    ),
    Mutant(
        "damage to a block goes unnoticed",
        "music/coded_sound.py",
        "codes = None if _checksum(body[:-CHECKSUM]) != body[-CHECKSUM:] else _unpacked",
        "codes = _unpacked",
        ("test_codec_files.py::test_every_damaged_byte_is_noticed",),
    ),
    Mutant(
        "numbers beyond the digits are decoded",
        "music/coded_sound.py",
        "    if max(numbers) >= header.base**header.codes:\n        return None\n",
        "",
        ("test_codec_files.py::test_numbers_that_are_no_digits_are_refused",),
    ),
    Mutant(
        "codes of another model are played",
        "music/decode_sound.py",
        "    if header.model != model or not same:\n",
        "    if not same:\n",
        ("test_codec_files.py::test_codes_of_another_model_are_refused",),
    ),
    Mutant(
        "pieces of codes without their context",
        "music/codec_pieces.py",
        "        begin, end = max(0, first - codec.context), first + latents + codec.context\n",
        "        begin, end = first, first + latents\n",
        ("test_codec_files.py::test_pieces_are_the_whole",),
    ),
    Mutant(
        "a codec of another rate is fed at that of the songs",
        "music/codec_learner.py",
        "return mixtures if self.codec.rate == RATE else resample(mixtures, RATE, self.codec.rate)",
        "return mixtures",
        ("test_codec_kinds.py::test_a_step_of_strided_codecs",),
    ),
    Mutant(
        "other codecs with the delay that they have",
        "music/evaluation/peer_codecs.py",
        "    lag = int(lags[match[lags].argmax()])\n",
        "    lag = 0\n",
        ("test_sound_coding.py::test_a_delay_is_found",),
    ),
    Mutant(
        "other codecs at fewer bits",
        "music/evaluation/sound_coding.py",
        "peers[name].kbps >= limit]",
        "peers[name].kbps < limit]",
        ("test_sound_coding.py::test_the_nearest_has_no_fewer_bits",),
    ),
    Mutant(
        "bits that were asked for and not those that were written",
        "music/evaluation/peer_codecs.py",
        "    bits = 8 * sum(size for _, size in files)\n",
        "    bits = 1000 * asked * sounds.size / RATE * 100\n",
        ("test_sound_coding.py::test_bytes_of_other_codecs_are_counted_and_their_delay_is_taken_out",),
    ),
    Mutant(
        "an untrained codec is spared",
        "music/evaluation/sound_coding.py",
        "answers = {MODEL: coded(bench.untrained_seed), **bench.untrained(coded)}",
        "answers = {MODEL: coded(None), **bench.untrained(lambda seed: Coded(0 * test.sounds, 1.0))}",
        ("test_sound_coding.py::test_an_untrained_codec_fails",),
    ),
)
