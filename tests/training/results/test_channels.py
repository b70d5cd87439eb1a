"""The strongest channels of a class, and the patches that they respond to."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.network.evidence import EvidenceNetwork
from model.network.field import Field, receptive_fields
from model.network.spec import NetworkSpec
from model.network.stack import ForwardForwardNetwork
from tests.model.network.networks import SPEC, images, settled
from tests.model.network.rules import specs
from training.data.dataset import Split
from training.results.channels import channels_of, patch, responses, strongest


@pytest.fixture(scope="module")
def network() -> ForwardForwardNetwork:
    """Make a network of five classes that has seen images."""
    return settled()


@pytest.fixture(scope="module")
def split() -> Split:
    """Draw more images than are looked at in one pass."""
    return Split(images(260), torch.arange(260) % 5)


def test_the_weight_is_what_the_score_gains(network: ForwardForwardNetwork) -> None:
    """Of a channel, by its parts: a class's evidence over the activity, where regions agree."""
    spec = NetworkSpec(16, 12, 5, (8, 8, 12), (3,), 1, shortcut=True, assignment="learnable")
    whole = settled(spec)
    by_class = torch.eye(5)[None].repeat(6, 1, 1)
    with torch.no_grad():
        found = EvidenceNetwork(whole)(images(), by_class, torch.zeros_like(by_class))
    starts = np.cumsum([0, 8, 8])

    for each in strongest(whole, range(5), 3):
        channel = starts[each.layer] + each.channel
        parts, activity = found.channels[:, each.class_, channel], found.activity[:, channel]
        torch.testing.assert_close(parts, each.weight * activity, atol=1e-5, rtol=1e-4)
        assert parts.std() > 0

    of_two = strongest(network, [1, 4], 2)
    assert [each.class_ for each in of_two] == [1, 1, 4, 4]
    assert of_two[0].weight >= of_two[1].weight > 0


def test_the_strongest_responses_of_different_images_are_found(
    network: ForwardForwardNetwork, split: Split
) -> None:
    """As a look at all activity at once finds them, whichever batch they are in."""
    with torch.no_grad():
        whole = [activity for _, activity in network.activities(split.images)]

    found = responses(network, split, {0: [5], 2: [1, 7]}, 6)

    assert set(found) == {0, 2}
    for column, channel in enumerate([1, 7]):
        peaks = whole[2][:, channel].flatten(1).amax(1)
        seen = found[2].images[:, column]
        torch.testing.assert_close(found[2].activity[:, column], peaks.sort().values.flip(0)[:6])
        assert len(set(seen.tolist())) == 6
        places = seen, channel, found[2].rows[:, column], found[2].columns[:, column]
        torch.testing.assert_close(whole[2][places], peaks[seen], atol=1e-5, rtol=1e-4)


def test_a_patch_decides_the_response(network: ForwardForwardNetwork, split: Split) -> None:
    """Everything outside of a patch may be painted over: the activity stays as it is."""
    fields = receptive_fields(SPEC)
    found = responses(network, split, {1: [0, 3]}, 4)[1]
    chance = np.random.default_rng(1)

    for column, channel in enumerate([0, 3]):
        for t in range(4):
            row, across = int(found.rows[t, column]), int(found.columns[t, column])
            image = split.images[found.images[t, column]].numpy()
            painted = chance.integers(0, 256, image.shape).astype(np.uint8)
            kept = np.zeros(image.shape[:2], bool)
            top, left = fields[1].first(row), fields[1].first(across)
            kept[max(top, 0) : top + 5, max(left, 0) : left + 5] = True
            painted[kept] = image[kept]

            with torch.no_grad():
                seen = [a for _, a in network.activities(torch.from_numpy(painted)[None])][1]

            expected = found.activity[t, column].item()
            assert seen[0, channel, row, across].item() == pytest.approx(expected, rel=1e-4)
            cut = patch(image, fields[1], (row, across))
            inside = image[kept].reshape(-1, 3)
            assert cut.shape == (5, 5, 3)
            assert cut.astype(int).sum() == inside.astype(int).sum() + 128 * 3 * (25 - len(inside))


@given(
    size=st.integers(1, 40),
    start=st.integers(-20, 0),
    step=st.sampled_from([1, 2, 4]),
    position=st.tuples(st.integers(0, 3), st.integers(0, 3)),
)
def test_a_patch_is_grey_outside_of_the_image(
    size: int, start: int, step: int, position: tuple[int, int]
) -> None:
    """It has the field's size, and at each place the pixel that lies there."""
    image = np.arange(13 * 11 * 3, dtype=np.uint32).reshape(13, 11, 3).astype(np.uint8)
    field = Field(max(size, 1 - start), step, start)

    cut = patch(image, field, position)

    assert cut.shape == (field.size, field.size, 3)
    for row in range(field.size):
        for column in range(field.size):
            at = field.first(position[0]) + row, field.first(position[1]) + column
            is_inside = 0 <= at[0] < 13 and 0 <= at[1] < 11
            assert cut[row, column].tolist() == (image[at].tolist() if is_inside else [128] * 3)


@settings(max_examples=20, deadline=None)
@given(spec=specs(), number=st.integers(1, 9))
def test_any_network_has_channels_to_look_at(spec: NetworkSpec, number: int) -> None:
    """Every rule, and fewer images than patches are kept of."""
    split = Split(images(number, 8, 6), torch.arange(number) % 3)

    found = channels_of(ForwardForwardNetwork(spec, 0).eval(), split, [0, 2])

    assert found.classes.tolist() == [0] * 4 + [2] * 4
    assert found.patches.shape[:2] == found.places.shape == (8, min(number, 6))
    assert np.all(np.diff(found.responses, axis=1) <= 0)
    assert np.all((found.shares >= 0) & (found.shares <= 1))
    assert found.sides.max() <= found.patches.shape[2] <= 32
    assert all(len(set(row)) == len(row) for row in found.places.tolist())


def test_what_is_kept_of_many_classes_is_bounded() -> None:
    """Three channels of each of fifty, with four patches of at most 32 pixels a side."""
    spec = NetworkSpec(64, 64, 50, (4, 4, 4, 4, 4), (2, 3, 4, 5), 2, True, "learnable")  # noqa: FBT003
    split = Split(images(60, 64, 64), torch.arange(60) % 50)

    found = channels_of(ForwardForwardNetwork(spec, 0).eval(), split, range(50))

    assert found.patches.shape[:2] == (150, 4)
    assert found.patches.shape[2] <= 32
    assert set(np.minimum(found.fields, 32)) == set(found.sides)
