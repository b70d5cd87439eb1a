"""The wire types of the protocol, beside requests and answers of inference."""

from typing import Any

import msgspec
from pydantic import BaseModel, Field

from service.http.v2.request import InferRequest, InputTensor, OutputAsked

SCHEMAS = "#/components/schemas/{name}"


class ServerMetadata(BaseModel):
    """What the server is."""

    name: str
    version: str
    extensions: list[str]


class ServerLive(BaseModel):
    """That the process answers."""

    live: bool = True


class ServerReady(BaseModel):
    """Whether inference requests are answered; `error` says why not."""

    live: bool = True
    ready: bool
    error: str | None = None


class ModelReady(BaseModel):
    """Whether one model answers; `error` says why not."""

    name: str
    ready: bool
    error: str | None = None


class TensorMetadata(BaseModel):
    """One input or output; -1 is the batch's axis."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(BaseModel):
    """What one model takes and gives."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]
    properties: dict[str, str]


class IndexRequest(BaseModel):
    """What an index is to list."""

    ready: bool = False


class IndexEntry(BaseModel):
    """One published version."""

    name: str
    version: str
    state: str
    reason: str


class ModelStatistics(BaseModel):
    """What a version was asked for since the service started."""

    name: str
    version: str
    inference_count: int = Field(description="images in runs")
    execution_count: int = Field(description="runs, each of one batch")


class Statistics(BaseModel):
    """The statistics of every version that was asked for anything, or of those named."""

    model_stats: list[ModelStatistics]


class Error(BaseModel):
    """Why there is no answer."""

    error: str


class OutputTensor(BaseModel):
    """One output; its data here, or behind the JSON part where `binary_data_size` says so."""

    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, Any] | None = None
    data: list[float | str] | None = None


class InferResponse(BaseModel):
    """The answer to an inference request."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[OutputTensor]


def infer_request_schema() -> dict[str, Any]:
    """Describe an inference request, without references."""
    _, parts = msgspec.json.schema_components((InferRequest,), ref_template=SCHEMAS)
    request: dict[str, Any] = parts[InferRequest.__name__]
    tensor, output = parts[InputTensor.__name__], parts[OutputAsked.__name__]
    for each in (request, tensor, output):
        each["properties"]["parameters"]["anyOf"] = [{"type": "object"}, {"type": "null"}]
    request["properties"]["inputs"]["items"] = tensor
    request["properties"]["outputs"]["anyOf"][0]["items"] = output
    tensor["properties"]["data"] = {"type": "array", "items": {}}
    return request
