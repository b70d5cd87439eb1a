"""The manifests agree with each other and with the service that they start."""

import re
from pathlib import Path

import httpx
import pytest

from model.artifact.repository import BUNDLED_REPOSITORY
from service.processes.supervisor import _AFTER_GRACE_S
from service.settings import PREFIX, Settings
from tests.conftest import ROOT
from tests.e2e.server import running
from tests.kubernetes.manifests import SERVING, Object, only, pod_specs, rendered


def settings(overlay: str) -> dict[str, str]:
    """Give the variables of the environment that an overlay sets."""
    variables: dict[str, str] = only(overlay, "ConfigMap")["data"]
    return variables


def labels(overlay: str) -> Object:
    """Give the labels of an overlay's pods."""
    found: Object = only(overlay, "Deployment")["spec"]["template"]["metadata"]["labels"]
    return found


@pytest.mark.parametrize("overlay", SERVING)
def test_the_variables_are_settings(
    overlay: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is known, and the service takes them all together."""
    ours = {name: value for name, value in settings(overlay).items() if name.startswith(PREFIX)}
    for name, value in ours.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)

    taken = Settings().model_dump(mode="json")

    for name, value in ours.items():
        assert str(taken[name.removeprefix(PREFIX).lower()]) == value


@pytest.mark.parametrize("overlay", SERVING)
def test_all_speak_of_the_same_pods(overlay: str) -> None:
    """Service, budget, policy and spread select the Deployment's pods; the autoscaler names it."""
    deployment, pods = only(overlay, "Deployment"), labels(overlay)
    spread = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]
    scaled = only(overlay, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]

    selectors = [
        deployment["spec"]["selector"]["matchLabels"],
        only(overlay, "Service")["spec"]["selector"],
        only(overlay, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        only(overlay, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        *(each["labelSelector"]["matchLabels"] for each in spread),
    ]

    assert all(selector and selector.items() <= pods.items() for selector in selectors)
    assert (scaled["kind"], scaled["name"]) == ("Deployment", deployment["metadata"]["name"])
    assert "replicas" not in deployment["spec"]


def test_what_is_mounted_and_named_is_there() -> None:
    """Mounts have volumes, claims exist or are the user's, ports and settings have their names."""
    made = {
        (each["kind"], each["metadata"]["name"])
        for overlay in (*SERVING, "jobs/train", "jobs/torchrun")
        for each in rendered(overlay)
    }
    for name, pod in pod_specs():
        volumes = {volume["name"]: volume for volume in pod.get("volumes", ())}
        for volume in volumes.values():
            claim = volume.get("persistentVolumeClaim", {}).get("claimName", "goodserve-data")
            assert ("PersistentVolumeClaim", claim) in made or claim == "goodserve-data", name
        for container in pod["containers"]:
            assert {each["name"] for each in container["volumeMounts"]} == volumes.keys(), name
            for each in container.get("envFrom", ()):
                reference = each.get("configMapRef")
                assert reference is None or ("ConfigMap", reference["name"]) in made, name


@pytest.mark.parametrize("overlay", SERVING)
def test_the_repository_is_where_the_settings_say(overlay: str) -> None:
    """A mounted folder, which the service cannot write; or a bucket, and no volume."""
    pod = only(overlay, "Deployment")["spec"]["template"]["spec"]
    mounts = {each["mountPath"]: each for each in pod["containers"][0]["volumeMounts"]}
    repository = settings(overlay)["GOODSERVE_REPOSITORY"]

    if repository.startswith("s3://"):
        assert mounts.keys() == {"/tmp"}  # noqa: S108  the container's own
        assert not [each for each in rendered(overlay) if each["kind"] == "PersistentVolumeClaim"]
    else:
        assert mounts[repository]["readOnly"] is True


def test_a_pod_has_the_time_that_its_end_takes() -> None:
    """The grace is more than the pause before SIGTERM, the service's own grace, and its end."""
    for overlay in SERVING:
        pod = only(overlay, "Deployment")["spec"]["template"]["spec"]
        pause = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
        grace = int(settings(overlay)["GOODSERVE_SHUTDOWN_GRACE_S"])

        assert pod["terminationGracePeriodSeconds"] > pause + grace + _AFTER_GRACE_S


def test_probes_ask_what_the_service_answers(tmp_path: Path) -> None:
    """With a model all are 200; with an empty repository the pod lives, and is not ready."""
    container = only("base", "Deployment")["spec"]["template"]["spec"]["containers"][0]
    predictor = only("kserve", "InferenceService")["spec"]["predictor"]["containers"][0]
    kinds = ("startupProbe", "livenessProbe", "readinessProbe")
    paths = [each[kind]["httpGet"]["path"] for each in (container, predictor) for kind in kinds]

    found = []
    for repository in (BUNDLED_REPOSITORY, tmp_path):
        with running(repository, "--workers", "1") as server:
            found.append([httpx.get(server.url + path).status_code for path in paths])

    assert found == [[200] * 6, [200, 200, 503] * 2]


def test_the_images_are_those_of_the_compose_file() -> None:
    """Name and version are the project's: what compose builds, with the version as its tag."""
    project = (ROOT / "pyproject.toml").read_text()
    version = re.findall(r"^version = \"(.*)\"$", project, re.MULTILINE)[0]

    images = {container["image"] for _, pod in pod_specs() for container in pod["containers"]}

    names = ("goodserve", "goodserve-train")
    assert images == {f"{name}:{version}" for name in names} | {f"goodserve:{version}-gpu"}


def test_the_bucket_is_let_through() -> None:
    """At the ports of Amazon's endpoint and of the one that the overlay shows."""
    kustomization = ROOT / "docker" / "kubernetes" / "s3" / "kustomization.yaml"
    (shown,) = re.findall(r"AWS_ENDPOINT_URL=(\S+)", kustomization.read_text())
    rules = only("s3", "NetworkPolicy")["spec"]["egress"]
    anywhere = {port["port"] for rule in rules if "to" not in rule for port in rule["ports"]}

    assert {443, httpx.URL(shown).port} <= anywhere
