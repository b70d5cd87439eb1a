"""What docker/kubernetes renders to, by kubectl's own kustomize."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT

Object = dict[str, Any]

KUBERNETES = ROOT / "docker" / "kubernetes"
OVERLAYS = sorted(
    str(path.parent.relative_to(KUBERNETES)) for path in KUBERNETES.rglob("kustomization.yaml")
)
SERVING = ("base", "gpu", "s3")


@cache
def rendered(overlay: str) -> list[Object]:
    """Render one overlay; skip where there is no kubectl."""
    beside = Path(sys.executable).parent / "kubectl"  # a wheel brings it
    kubectl = str(beside) if beside.exists() else shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("there is no kubectl here")
    found = subprocess.run(
        [kubectl, "kustomize", KUBERNETES / overlay], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    return list(yaml.safe_load_all(found.stdout))


def only(overlay: str, kind: str) -> Object:
    """Give an overlay's one object of a kind."""
    (found,) = (each for each in rendered(overlay) if each["kind"] == kind)
    return found


def pod_specs() -> Iterator[tuple[str, Object]]:
    """Give every pod's specification, with the name of its overlay and kind."""
    for overlay in OVERLAYS:
        for each in rendered(overlay):
            if each["kind"] in ("Deployment", "Job"):
                yield f"{overlay} {each['kind']}", each["spec"]["template"]["spec"]
            elif each["kind"] == "InferenceService":
                yield overlay, each["spec"]["predictor"]
