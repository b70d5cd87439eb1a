"""Every object that docker/kubernetes renders to is one that Kubernetes knows, field by field."""

import copy
from typing import Any

import pytest

from tests.kubernetes.manifests import OVERLAYS, Object, only, pod_specs, rendered

kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="it is an extra, dev")

# The first that has all fields (a pod that sleeps before it stops), and the newest that is known.
VERSIONS = ["1.30", "1.37"]
# Of KServe, whose schemas are not Kubernetes': of them the pod is checked.
FOREIGN = {"InferenceService"}


def check(each: Object, version: str) -> None:
    """Hold one object against the schemas of a version; unknown fields are errors.

    Raises:
        kubernetes_validate.ValidationError: it does not fit.
    """
    kubernetes_validate.validate(each, version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_it_fits_the_schemas(overlay: str, version: str) -> None:
    """It renders, and no object has a field that is unknown, missing or of another type."""
    objects = rendered(overlay)

    assert objects
    for each in objects:
        if each["kind"] not in FOREIGN:
            check(each, version)


def test_kserves_predictor_is_a_pod() -> None:
    """What KServe makes a pod of is one, but for its own fields."""
    predictor = dict(only("kserve", "InferenceService")["spec"]["predictor"])
    for own in ("minReplicas", "maxReplicas", "scaleMetric", "scaleTarget", "timeout"):
        del predictor[own]

    check({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": predictor}, "1.37")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "replica"), 3),
        (("spec", "minReadySeconds"), "5"),
        (("spec", "template", "spec", "containers", 0, "livenessProb"), {}),
        (("spec", "template", "spec", "securityContext", "runAsUser"), "nobody"),
    ],
)
def test_a_mistake_is_noticed(path: tuple[Any, ...], value: object) -> None:
    """The validator does refuse a misspelt field and a wrong type."""
    deployment = copy.deepcopy(only("base", "Deployment"))
    place = deployment
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value

    with pytest.raises(kubernetes_validate.ValidationError):
        check(deployment, "1.37")


def test_every_pod_is_locked_down() -> None:
    """No root, nothing writable but its volumes, no capability, no token, default seccomp."""
    found = list(pod_specs())

    assert len(found) == 7
    for name, pod in found:
        context = pod["securityContext"]
        assert (context["runAsNonRoot"], context["runAsUser"]) == (True, 10001), name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["automountServiceAccountToken"] is False, name
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert container["resources"]["limits"]["memory"], name
