"""Random small networks of every kind, for hypothesis."""

from hypothesis import strategies as st

from model.network.rule import LayerRule
from model.network.spec import NetworkSpec

_POOLINGS = [(1.0, 0.0, 0.0), (0.94, 0.06, -0.05), (0.0, 1.0, 0.0), (0.5, 0.0, 0.5)]
# Regions that divide the grids of 8 x 6 and 4 x 3 and regions that do not.
_REGIONS = [1, 2, 3]

rules = st.builds(
    LayerRule,
    activity_norm=st.sampled_from(["batch", "none"]),
    input_norm=st.sampled_from(["batch", "instance", "layer"]),
    stage_pooling=st.sampled_from(["max", "average"]),
    pooling=st.sampled_from(_POOLINGS),
    squared=st.booleans(),
    readout=st.sampled_from(["standardised", "plain", "mean"]),
    assignment_temperature=st.sampled_from([0.1, 1.0, 10.0]),
)


@st.composite
def specs(draw: st.DrawFn) -> NetworkSpec:
    """Draw a network of four layers and three classes that any rule can build."""
    return NetworkSpec(
        image_height=8,
        image_width=6,
        num_classes=3,
        widths=draw(st.sampled_from([(4, 4, 8, 8), (3, 6, 6, 12), (8, 8, 4, 4)])),
        pool_before=draw(st.sampled_from([(3,), (), (2, 4)])),
        regions=draw(st.sampled_from(_REGIONS)),
        shortcut=draw(st.booleans()),
        assignment=draw(st.sampled_from(["learnable", "tempered", "fixed"])),
        concatenate=draw(st.booleans()),
        convolutions=draw(st.sampled_from([(1,), (2,), (1, 2)])),
        mirrored=draw(st.booleans()),
        **draw(rules).options(),
    )
