"""The service without HTTP: encoded images in, answers out."""

from collections.abc import Callable, Sequence

from model.artifact.manifest import Manifest
from service.predict.answers import Answers, Explained
from service.predict.evidence import Question
from service.predict.lanes import Lanes


class Predictor:
    """Answers requests; knows no framework, so every protocol is a thin adapter before it."""

    def __init__(self, lanes: Lanes) -> None:
        """Answer by these lanes."""
        self._lanes = lanes

    def check_wait(self) -> None:
        """Refuse now what `predict` would refuse, for those who can spare reading a body.

        Raises:
            BusyError: too much waits already.
        """
        self._lanes.check_wait(images=1)

    async def predict(
        self, files: Sequence[bytes], *, explain: bool = False, timeout_s: float | None = None
    ) -> Answers:
        """Classify images, all by one version, from the same lane to the end.

        Args:
            files: encoded images, at least one.
            explain: whether the layers' contributions are wanted.
            timeout_s: seconds that the caller will wait; what cannot be run by then is refused.

        Raises:
            ServiceError: see `service.errors`; nothing else is raised.
        """
        lane = self._lanes.lease(len(files), timeout_s)
        try:
            return await lane.submit(files, explain=explain, timeout_s=timeout_s)
        finally:
            lane.release()

    async def explain(
        self,
        files: Sequence[bytes],
        ask: Callable[[Manifest], Question],
        *,
        timeout_s: float | None = None,
    ) -> Explained:
        """Classify images and take their scores apart, all by one version.

        Args:
            files: encoded images, at least one.
            ask: says what to take apart, once it is known which classes there are.
            timeout_s: seconds that the caller will wait; what cannot be run by then is refused.

        Raises:
            ServiceError: see `service.errors`; nothing else is raised.
        """
        lane = self._lanes.lease(len(files), timeout_s)
        try:
            question = ask(lane.version.manifest)
            return await lane.explain(files, question, timeout_s=timeout_s)
        finally:
            lane.release()
