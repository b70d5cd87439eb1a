"""Inference requests of every kind, most of which nobody would send."""

import numpy as np
import pytest
from hypothesis import strategies as st

from tests.pictures import coloured, encoded

pytest.importorskip("grpc")
pb = pytest.importorskip("service.grpc.inference_pb2")

FILE = encoded(coloured("red", 1))
GREY = np.full((1, 16, 16, 3), 90, np.uint8)

texts = st.sampled_from(["", "colours", "images", "1", "\0", "../..", "BYTES", "UINT8", "é" * 99])
parameters = st.dictionaries(
    st.sampled_from(["timeout", "binary_data_size", "binary_data", "classification", "class", "x"]),
    st.one_of(
        st.builds(pb.InferParameter, bool_param=st.booleans()),
        st.builds(pb.InferParameter, int64_param=st.integers(-(2**63), 2**63 - 1)),
        st.builds(pb.InferParameter, string_param=st.text()),
        st.builds(pb.InferParameter, double_param=st.floats()),
        st.builds(pb.InferParameter),
    ),
    max_size=3,
)
shapes = st.lists(
    st.one_of(st.sampled_from([1, 3, 16]), st.integers(-(2**63), 2**63 - 1)), max_size=5
)
contents = st.builds(
    pb.InferTensorContents,
    uint_contents=st.lists(st.integers(0, 2**32 - 1), max_size=3),
    fp32_contents=st.lists(st.floats(width=32), max_size=2),
    bytes_contents=st.lists(st.sampled_from([b"", FILE, FILE[:40]]), max_size=2),
)
inputs = st.builds(
    pb.InferInputTensor,
    name=st.just("images") | texts,
    datatype=texts,
    shape=shapes,
    parameters=parameters,
    contents=st.none() | contents,
)
requests = st.builds(
    pb.ModelInferRequest,
    model_name=st.just("colours") | texts,
    model_version=st.sampled_from(["", "1"]) | texts,
    id=st.text(),
    parameters=parameters,
    inputs=st.lists(inputs, max_size=2),
    outputs=st.lists(
        st.builds(
            pb.InferRequestedOutputTensor,
            name=st.sampled_from(["labels", "scores", "evidence", "ghost"]),
            parameters=parameters,
        ),
        max_size=3,
    ),
    raw_input_contents=st.lists(
        st.sampled_from([b"", b"\0" * 4, GREY.tobytes(), FILE]), max_size=2
    ),
)
