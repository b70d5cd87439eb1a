"""A loaded graph that takes a version's scores apart, and what is asked of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from model.artifact.checks import golden_pixels
from model.artifact.evidence import (
    ASSIGNMENT,
    EVIDENCE_FILE,
    Evidence,
    EvidenceGraph,
    Floats,
    check_evidence,
    feeds,
    run_evidence,
)
from model.artifact.image import Pixels
from model.artifact.manifest import Manifest
from model.artifact.outputs import (
    FAMILIARITY,
    PROBABILITIES,
    SCORES,
    Graph,
    Session,
    TensorSpec,
)
from model.artifact.repository import StoredVersion


class CheckedGraph(Graph, Protocol):
    """A further graph that can be held against what it should be."""

    def check(self, specs: Sequence[TensorSpec]) -> None:
        """Hold the graph against its inputs and outputs, or raise `ContractError`."""


# Opens the bytes of a further graph for runs of so many threads.
OpenGraph = Callable[[bytes, int], CheckedGraph]


@dataclass(frozen=True)
class Question:
    """Which combinations of classes to take apart, the same for every image of a request.

    Attributes:
        by_class: `(M, K)`, float32, the factor of each class in each combination.
        by_rank: `(M, K)`, float32, the factor of the most probable class, the second, ...
        asks_familiarity: whether to say how familiar each image is, by a run of the whole network.
    """

    by_class: Floats
    by_rank: Floats
    asks_familiarity: bool = False

    def factors(self, scores: Floats) -> Floats:
        """Give the factors by class `(N, M, K)` once the scores `(N, K)` are known."""
        # As the graph ranks: the first of equal ones first.
        order = np.argsort(-scores, axis=1, kind="stable")
        factors = np.broadcast_to(self.by_class, (len(scores), *self.by_class.shape)).copy()
        ranked = np.broadcast_to(self.by_rank, factors.shape)
        places = np.broadcast_to(order[:, None, :], factors.shape)
        np.put_along_axis(factors, places, np.take_along_axis(factors, places, 2) + ranked, 2)
        return factors


class TakenApart(NamedTuple):
    """What is said of N images that were taken apart.

    Attributes:
        evidence: N rows of every part.
        familiarity: `(N,)`, float32; None where the version has none, or nobody asked.
    """

    evidence: Evidence
    familiarity: Floats | None


class Explainer:
    """Takes the scores of one version apart; several threads may call it at once."""

    def __init__(
        self,
        graph: Graph,
        described: EvidenceGraph,
        max_batch_size: int,
        familiar: Session | None = None,
    ) -> None:
        """Keep a graph that passed its checks, and the assignment, which no image changes.

        Args:
            graph: takes scores apart.
            described: what the manifest says of it.
            max_batch_size: images in one run.
            familiar: runs the whole network; None where it does not say how familiar images are.
        """
        self._graph, self._familiar = graph, familiar
        self._max_batch_size = max_batch_size
        self._layers = len(described.grids)
        self.assignment: Floats | None = None

    def prepare(self, pixels: Pixels, num_classes: int) -> float:
        """Run the golden inputs, add the parts up, and read the assignment.

        Returns:
            The largest residual, as a fraction of the parts.

        Raises:
            ContractError: parts do not add up.
        """
        every = np.eye(num_classes, dtype=np.float32)[: min(num_classes, 2)]
        question = Question(every, np.zeros_like(every))
        found = self(pixels, question)
        none = np.zeros((1, 1, num_classes), np.float32)
        self.assignment = self._graph(feeds(pixels[:1], none, none), [ASSIGNMENT])[ASSIGNMENT]
        return check_evidence(found, question.factors(found.scores), "a golden input")

    def __call__(self, pixels: Pixels, question: Question) -> Evidence:
        """Answer and take apart `(N, H, W, 3)` uint8 pixels, in pieces of the batch size."""
        return Evidence.joined([self._run(piece, question) for piece in self._pieces(pixels)])

    def answer(self, pixels: Pixels, question: Question) -> TakenApart:
        """Do the same, and say how familiar the images are, if the question asks that."""
        familiar, found = self._familiar, None
        if familiar is not None and question.asks_familiarity:
            wanted = (SCORES, PROBABILITIES, FAMILIARITY)
            runs = [familiar(piece, wanted) for piece in self._pieces(pixels)]
            found = np.concatenate([run.optional[FAMILIARITY] for run in runs])
        return TakenApart(self(pixels, question), found)

    def _pieces(self, pixels: Pixels) -> list[Pixels]:
        limit = self._max_batch_size
        return [pixels[start : start + limit] for start in range(0, len(pixels), limit)]

    def _run(self, pixels: Pixels, question: Question) -> Evidence:
        shape = (len(pixels), *question.by_class.shape)
        by_class, by_rank = (
            np.ascontiguousarray(np.broadcast_to(each, shape))
            for each in (question.by_class, question.by_rank)
        )
        return run_evidence(self._graph, pixels, by_class, by_rank, self._layers)


def open_explainer(
    stored: StoredVersion, open_graph: OpenGraph, whole: Session, threads: int, max_batch_size: int
) -> Explainer | None:
    """Open what takes a version's scores apart, and check it; None: the version has nothing.

    Args:
        stored: the version.
        open_graph: opens its graph for that.
        whole: runs all its layers.
        threads: within a run.
        max_batch_size: images in one run.

    Raises:
        ContractError: the graph is not what the manifest says, or its parts do not add up.
    """
    manifest: Manifest = stored.manifest
    if manifest.evidence is None:
        return None
    graph = open_graph(stored.graphs[EVIDENCE_FILE], threads)
    classes = len(manifest.labels)
    graph.check(manifest.evidence.specs(manifest.image_height, manifest.image_width, classes))
    familiar = None if manifest.familiarity is None else whole
    explainer = Explainer(graph, manifest.evidence, max_batch_size, familiar)
    explainer.prepare(golden_pixels(manifest), classes)
    return explainer
