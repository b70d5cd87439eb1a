"""The terms a local loss can have: a new one is a function in a file of its own, and a line here.

Its weight and warm-up are settings: `[objective.terms.NAME]`, or `--term.NAME.weight`.
"""

from collections.abc import Mapping

from training.objective.column_entropy import column_entropy
from training.objective.cross_entropy import cross_entropy
from training.objective.entropy import entropy
from training.objective.orthogonality import orthogonality
from training.objective.similarity import similarity
from training.objective.view import Term

Terms = Mapping[str, Term]

TERMS: Terms = {
    "cross_entropy": cross_entropy,
    "entropy": entropy,
    "column_entropy": column_entropy,
    "orthogonality": orthogonality,
    "similarity": similarity,
}
