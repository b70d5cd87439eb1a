"""Examples in the OpenAPI document: what may be sent, and what comes back."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

# One orange pixel, as PNG in base64.
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP40CMCAAQAAZEI+F21AAAAAElFTkSuQmCC"
)
_MODEL = {"name": "cifar10", "version": "5"}
_SETTLED = {"layer": "stem", "index": 0}


def _layers(*contributions: float) -> list[dict[str, Any]]:
    names = ("stem", "block2", "block3", "block4")
    return [
        {"layer": name, "contribution": value}
        for name, value in zip(names, contributions, strict=True)
    ]


_HORSE = {"label": "horse", "probability": 0.909, "goodness": 3.299}
_AIRPLANE = {"label": "airplane", "probability": 0.040, "goodness": 1.065}

# Of a request with top_k=2, explain=true and confidence=0.95.
PREDICT_ANSWER: Mapping[str, Any] = {
    "model": _MODEL,
    "predictions": [
        {
            "label": "horse",
            "probability": 0.909,
            "classes": [
                {**_HORSE, "layers": _layers(0.231, 1.003, 0.871, 1.194)},
                {**_AIRPLANE, "layers": _layers(0.124, 0.652, 0.285, 0.004)},
            ],
            "layers_used": 4,
            "familiarity": 22.5,
            "is_familiar": True,
            "conformal_set": ["horse"],
            "settled_at": _SETTLED,
        }
    ],
}

# Of a network of two small layers, so that the maps are short.
EXPLAIN_ANSWER: Mapping[str, Any] = {
    "model": _MODEL,
    "explanations": [
        {
            "label": "horse",
            "probability": 0.909,
            "classes": [_HORSE, _AIRPLANE],
            "settled_at": _SETTLED,
            "evidence": [
                {
                    "label": None,
                    "contrast": ["horse", "airplane"],
                    "goodness": 2.234,
                    "residual": 2e-7,
                    "layers": [
                        {
                            "layer": "stem",
                            "contribution": 0.373,
                            "map": [[0.1, 0.2], [-0.027, 0.1]],
                        },
                        {"layer": "block2", "contribution": 1.861, "map": [[1.861]]},
                    ],
                    "map": [[0.56525, 0.66525], [0.43825, 0.56525]],
                    "channels": [
                        {
                            "layer": "block2",
                            "channel": 17,
                            "assignment": 0.81,
                            "activity": 3.2,
                            "contribution": 1.9,
                        }
                    ],
                }
            ],
        }
    ],
}


def _problem(status: HTTPStatus, kind: str, detail: str) -> dict[str, Any]:
    return {
        "type": f"urn:goodserve:problem:{kind}",
        "title": kind.replace("-", " ").capitalize(),
        "status": int(status),
        "detail": detail,
        "request_id": "6f1c0e2ab3d94f58",
    }


# Of each status, the kind that callers meet most often.
PROBLEMS: Mapping[HTTPStatus, Mapping[str, Any]] = {
    status: _problem(status, kind, detail)
    for status, kind, detail in (
        (
            HTTPStatus.BAD_REQUEST,
            "no-image",
            "the body holds no image; send at least one",
        ),
        (
            HTTPStatus.UNAUTHORIZED,
            "no-key",
            "this needs a key: send it as Authorization: Bearer ..., or as X-API-Key",
        ),
        (
            HTTPStatus.FORBIDDEN,
            "missing-scope",
            "the key 'shop' has the scope predict, and this needs admin",
        ),
        (
            HTTPStatus.NOT_FOUND,
            "unknown-model",
            "no version of a model 'horses' is active; GET /models lists those there are",
        ),
        (
            HTTPStatus.REQUEST_TIMEOUT,
            "body-timeout",
            "the body did not come within 20 s",
        ),
        (
            HTTPStatus.CONFLICT,
            "no-evidence",
            "cifar10/1 has no graph that takes its scores apart; export and publish it anew",
        ),
        (
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "too-many-images",
            "the body holds 40 images, the limit is 32; send several requests",
        ),
        (
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "unsupported-body",
            "cannot read text/plain; send multipart/form-data, application/json or an image",
        ),
        (
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "bad-option",
            "top_k: Input should be greater than or equal to 1",
        ),
        (
            HTTPStatus.TOO_MANY_REQUESTS,
            "queue-full",
            "the wait is 2.41 s now, the limit is 2 s; try again later",
        ),
        (
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            "head-too-large",
            "the head has over 65536 bytes; send fewer or shorter headers",
        ),
        (
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "unexpected",
            "the service failed unexpectedly; its log says why",
        ),
        (
            HTTPStatus.SERVICE_UNAVAILABLE,
            "not-ready",
            "no model is loaded; publish one into the repository",
        ),
        (
            HTTPStatus.GATEWAY_TIMEOUT,
            "deadline-passed",
            "the deadline passed while the request waited; nothing was run for it",
        ),
    )
}
