"""Quantisers behind one interface: vectors to codes and back.

A quantiser is a `Quantiser`: `forward` gives a `Quantised`, `decode` the vectors of codes. Kinds, one file each:

    codebook.py     VQ, the codebook learned by gradients (van den Oord et al. 2017, arXiv:1711.00937)
    moving.py       VQ whose codebook is a moving average, with a k-means start and revival of dead codes
    scalar.py       FSQ: rounding of bounded channels (Mentzer et al. 2024, arXiv:2309.15505)
    binary.py       LFQ (Yu et al. 2024, arXiv:2310.05737) and BSQ (Zhao et al. 2024, arXiv:2406.07548), a bit a channel
    residual.py     several of one kind, each coding what the ones before left

`usage.py` counts codes over a whole set. No quantiser reports a perplexity: that of a batch misleads.
"""
