"""Gates on the use of codes: a quantiser that has collapsed is not exported (exit 70)."""

from __future__ import annotations

from sensorium.models.quantisers.usage import Usage
from sensorium.training.learner import Gate

LEAST_SHARE = 0.001  # of the cells of a set, for each code
LEAST_PERPLEXITY = 2.0  # of the set
ADVICE = "a lower learning rate, recordings that differ more, or fewer codes"


def usage_gates(usage: Usage) -> list[Gate]:
    """Every code must be used, and more than one of them often; `usage` is counted over a set, not over a batch."""
    return [
        Gate("code_share", float(usage.shares.min()), LEAST_SHARE, ADVICE),
        Gate("code_perplexity", usage.perplexity, LEAST_PERPLEXITY, ADVICE),
    ]
