"""What a lane gives to one caller."""

from dataclasses import dataclass

from model.artifact.evidence import Evidence, Floats
from model.artifact.manifest import Manifest
from model.artifact.outputs import FAMILIARITY, Outputs
from model.artifact.version import VersionId
from service.predict.evidence import Question


@dataclass(frozen=True, slots=True)
class Answers:
    """What one version says of one caller's n images.

    Attributes:
        id: the version that answered.
        manifest: its labels and layers.
        outputs: n rows of each output that was asked for.
        familiarity: of each image, the percentage of validation images that are less familiar;
            None where the version, or an answer given early, does not say.
    """

    id: VersionId
    manifest: Manifest
    outputs: Outputs
    familiarity: list[float] | None = None


@dataclass(frozen=True, slots=True)
class Explained:
    """What one version says of one caller's n images, taken apart.

    Attributes:
        id: the version that answered.
        manifest: its labels and layers.
        evidence: n rows of every part.
        question: what was asked, M combinations of classes.
        assignment: `(sum of C_l, K)`, float32, how far each channel speaks for each class.
    """

    id: VersionId
    manifest: Manifest
    evidence: Evidence
    question: Question
    assignment: Floats


def familiarity_of(manifest: Manifest, outputs: Outputs) -> list[float] | None:
    """Place each image among the validation images; None where nothing says how familiar it is."""
    scores = outputs.optional.get(FAMILIARITY)
    if scores is None or manifest.familiarity is None:
        return None
    return [manifest.familiarity.percentile(score) for score in scores.tolist()]
