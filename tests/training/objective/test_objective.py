"""The local loss: a list of weighted terms, open to new ones."""

import math

import pytest
import torch
from torch import Tensor

from tests.training.networks import batch, learner, network
from training.errors import ConfigError
from training.objective.objective import Moment, Objective, weight_at
from training.objective.similarity import similarity
from training.objective.terms import TERMS
from training.objective.view import LayerView
from training.settings.sections import ObjectiveSettings, TermSettings

AT = Moment(step=0, total_steps=1000)


def settings(**terms: float) -> ObjectiveSettings:
    """Give terms these weights, from the first step on."""
    entries = {name: {"weight": weight, "warmup": 0.0} for name, weight in terms.items()}
    return ObjectiveSettings.model_validate({"terms": entries})


def undecided() -> LayerView:
    """See a layer that knows nothing: scores all 0, assignment uniform."""
    return LayerView(
        scaled_goodness=torch.zeros(4, 5),
        labels=torch.tensor([0, 1, 2, 3]),
        assignment=torch.full((6, 5), 0.2),
        means=torch.zeros(4, 6),
        standardised=torch.zeros(4, 6),
        channel_means=torch.zeros(4, 6),
    )


def test_terms_are_added_at_their_weights() -> None:
    """Cross-entropy, entropy and overlap of an undecided layer are ln K, 1 and 1."""
    plain = Objective(settings(entropy=0, orthogonality=0, similarity=0))(undecided(), AT).item()
    priced = Objective(settings(entropy=0.5, orthogonality=0.25, similarity=0))(
        undecided(), AT
    ).item()

    assert plain == pytest.approx(math.log(5))
    assert priced == pytest.approx(math.log(5) + 0.5 + 0.25)


def test_a_weight_rises_over_its_warm_up_and_stays() -> None:
    """Linear from near zero over the given part of the run."""
    term = TermSettings(weight=0.1, warmup=0.5)

    weights = [weight_at(term, Moment(step, 100)) for step in (0, 24, 49, 99)]

    assert weights == pytest.approx([0.002, 0.05, 0.1, 0.1])
    assert weight_at(TermSettings(weight=0.1), Moment(0, 100)) == 0.1


def test_label_smoothing_asks_for_less_certainty() -> None:
    """A layer that is sure loses more with it; one that knows nothing loses ln K either way."""
    sure = undecided()._replace(scaled_goodness=20 * torch.eye(4, 5))
    alone = settings(entropy=0, orthogonality=0, similarity=0)
    smoothed = Objective(alone.model_copy(update={"label_smoothing": 0.1}))

    assert Objective(alone)(sure, AT).item() == pytest.approx(0, abs=1e-6)
    assert smoothed(sure, AT).item() == pytest.approx(0.1 * 20 * 4 / 5)
    assert smoothed(undecided(), AT).item() == pytest.approx(math.log(5))


def quiet(view: LayerView) -> Tensor:
    """Punish activity: a term that the project does not have."""
    return view.means.mean()


def test_a_new_term_is_a_function_and_a_settings_entry() -> None:
    """Nothing else knows of it, and every layer's weights learn from it."""
    without, with_it = network(), network()

    learner(without, settings(entropy=0.1)).step(*batch(), AT)
    learner(with_it, settings(entropy=0.1, quiet=3.0), {**TERMS, "quiet": quiet}).step(*batch(), AT)

    for block, other in zip(without.layers(), with_it.layers(), strict=True):
        assert not torch.equal(block.conv.weight, other.conv.weight)


def test_a_new_term_moves_what_it_punishes() -> None:
    """Learned from alone, the activity of every layer falls."""
    of = network()
    update = learner(
        of,
        settings(cross_entropy=0, entropy=0, orthogonality=0, quiet=1),
        {"quiet": quiet, **TERMS},
    )

    losses = [update.step(*batch(), AT) for _ in range(20)]

    assert (losses[-1] < 0.8 * losses[0]).all()


def test_a_term_of_weight_zero_is_not_computed() -> None:
    """It costs no time, and a value that is no number does no harm."""

    def broken(_: LayerView) -> Tensor:
        raise AssertionError

    objective = Objective(settings(broken=0), {**TERMS, "broken": broken})

    assert objective(undecided(), AT).isfinite()


def test_an_unknown_term_is_named_with_those_that_are_known() -> None:
    """A misspelt term is an error before any training."""
    message = "unknown terms of the objective: margn; known are cross_entropy, entropy, colu"

    with pytest.raises(ConfigError, match=message):
        Objective(settings(margn=1))


def test_an_objective_without_terms_is_refused() -> None:
    """Nothing would be learned, and nobody would notice."""
    with pytest.raises(ConfigError, match="no term of the objective has a weight above 0"):
        Objective(settings(cross_entropy=0, entropy=0, orthogonality=0, similarity=0))


def test_similarity_is_nothing_where_classes_are_perfectly_told_apart() -> None:
    """Activity that is the one-hot label itself matches; activity of another order does not."""
    labels = torch.tensor([0, 1, 2, 3, 0])
    told_apart = torch.nn.functional.one_hot(labels, 5).float()
    view = undecided()._replace(
        scaled_goodness=torch.zeros(5, 5), labels=labels, channel_means=told_apart * 7 + 2
    )

    matching = similarity(view).item()
    mixed_up = similarity(view._replace(channel_means=told_apart[[1, 0, 2, 3, 4]])).item()

    assert matching == pytest.approx(0, abs=1e-10)
    # Images 0 and 1 swapped: four of the ten pairs differ by the cosine 1.25 between classes.
    assert mixed_up == pytest.approx(2 * 2 * 1.25**2 / 25)
