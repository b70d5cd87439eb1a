"""What no document can tell schemathesis: bytes that are an image, and what is published here.

`tests/e2e/schemathesis.toml` names this module.
"""

import base64
from typing import Any

import schemathesis
from hypothesis import strategies as st

from model.artifact.repository import BUNDLED_REPOSITORY, ModelRepository
from tests.pictures import coloured, encoded

FILES = [
    encoded(coloured("red", 1)),
    encoded(coloured("blue", 2), "JPEG"),
    encoded(coloured("green", 3), "WEBP"),
]

images = st.sampled_from(FILES)
schemathesis.openapi.format("binary", images)
schemathesis.openapi.format("byte", images.map(lambda file: base64.b64encode(file).decode()))
for kind in ("image/jpeg", "image/png", "image/webp", "application/octet-stream"):
    schemathesis.openapi.media_type(kind, images)


@schemathesis.hook
def before_load_schema(_context: schemathesis.HookContext, raw_schema: dict[str, Any]) -> None:
    """Say which models, classes and layers there are."""
    repository = ModelRepository(BUNDLED_REPOSITORY)
    active = repository.active()
    assert active is not None
    manifest = repository.manifest(active)
    published = repository.versions()
    known = {
        "name": sorted({each.name for each in published}),
        "version": sorted(each.version for each in published),
        "label": ["stable"],
        "layer": [layer.name for layer in manifest.layers],
    }
    labels = {"type": "string", "enum": list(manifest.labels)}
    pair = {"items": labels, "minItems": 2, "maxItems": 2, "uniqueItems": True}
    for operations in raw_schema["paths"].values():
        for parameter in operations.get("post", {}).get("parameters", ()):
            name, schema = parameter["name"], parameter["schema"]
            if name in known:
                schema["enum"] = known[name]
            elif name in ("classes", "contrast"):
                schema |= {"items": labels} if name == "classes" else pair


@schemathesis.hook
def filter_case(_context: schemathesis.HookContext, case: schemathesis.Case[Any]) -> bool:
    """Leave out what may be sent beyond the document: a header; in JSON "3", "true", 1 for true."""
    body = case.body if isinstance(case.body, dict) else {}
    names = ("top_k", "explain", "confidence")
    is_lax = type(body.get("explain")) is int or any(isinstance(body.get(n), str) for n in names)
    return not is_lax and "x-schemathesis-unknown-property" not in (case.headers or {})
