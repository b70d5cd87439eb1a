"""What is asked of a Ray cluster, without Ray."""

from importlib.util import find_spec
from typing import Self

from pydantic import Field, model_validator

from training.settings.section import Section
from training.settings.values import Positive


class RayOptions(Section):
    """How many workers of which cluster train together; no setting of the run."""

    ray_workers: Positive | None = Field(
        None,
        description="workers of a Ray cluster that train together; by default this process trains",
    )
    ray_address: str | None = Field(
        None,
        description="HOST:PORT of the cluster's head; by default as RAY_ADDRESS says, or the "
        "cluster that this machine is part of, or else this machine alone",
    )
    ray_cores: Positive = Field(1, description="cores of each worker")
    ray_gpu: bool = Field(default=False, description="give each worker a GPU")
    ray_restarts: int = Field(
        3, ge=0, description="how often a run that lost workers goes on from its last checkpoint"
    )

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        """Refuse what would be without effect, and what needs a package that is not here."""
        if self.ray_workers is None and self.model_fields_set:
            flags = ", ".join(
                f"--{name.replace('_', '-')}" for name in sorted(self.model_fields_set)
            )
            message = f"{flags}: name --ray-workers too"
            raise ValueError(message)
        if self.ray_workers is not None and find_spec("ray") is None:
            message = (
                "--ray-workers needs ray, which is not installed: pip install 'goodserve[ray]'"
            )
            raise ValueError(message)
        return self
