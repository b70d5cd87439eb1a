"""What every command on a model repository takes."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from model.artifact.repository import ModelRepository
from service.settings import Settings

Repository = Annotated[
    Path | None, Parameter(help="The model repository (environment: GOODSERVE_REPOSITORY).")
]
Name = Annotated[str, Parameter(help="Name of a model, such as cifar10.")]
Version = Annotated[str, Parameter(help="NAME/VERSION, such as cifar10/1.")]


def repository_at(path: Path | None) -> ModelRepository:
    """Open the repository at a path; by default the one that the settings name."""
    return ModelRepository(path or Settings().repository)
