"""What is published, for routes that list it."""

import logging

from model.artifact.repository import ModelRepository
from model.artifact.version import RepositoryError, VersionId
from service.errors import NotReadyError

log = logging.getLogger("goodserve")


def published(repository: ModelRepository) -> list[VersionId]:
    """List what is published, by name and number; it reads the disk.

    Raises:
        NotReadyError: it cannot be listed just now; the log hears why, callers not where.
    """
    try:
        return repository.versions()
    except RepositoryError as error:
        log.error("models cannot be listed: %s", error)  # noqa: TRY400  the text says it all
        detail = "the models cannot be listed just now; the service's log says why"
        raise NotReadyError("not-ready", detail) from error
