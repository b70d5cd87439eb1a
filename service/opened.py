"""The model repository that the settings name, with the keys that they trust."""

from model.artifact.repository import ModelRepository
from model.artifact.signing import TrustedKeys
from service.settings import Settings


def opened_repository(settings: Settings) -> ModelRepository:
    """Open the repository; nothing of it is read yet.

    Raises:
        RepositoryError: the public keys cannot be read.
    """
    key = settings.public_key
    trusted = TrustedKeys.read(key) if key is not None else None
    return ModelRepository(settings.repository, trusted)
