"""Where sessions run: found out by trying."""

from model.artifact.repository import BUNDLED_REPOSITORY, ModelRepository
from model.artifact.runtime import Device, resolve_device
from service.settings import Settings


def serving_device(settings: Settings) -> Device:
    """Find out where to run, with the bundled model as the probe.

    Raises:
        DeviceError: CUDA was asked for and does not work.
    """
    return resolve_device(settings.device, _bundled_model)


def _bundled_model() -> bytes:
    bundled = ModelRepository(BUNDLED_REPOSITORY)
    return bundled.read(bundled.versions()[0]).model
