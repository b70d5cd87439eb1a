"""Why versions do not serve that were to: the one place that remembers."""

import errno
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from model.artifact.outputs import AnswersError, ContractError, FloorError
from model.artifact.version import BrokenVersionError, RepositoryError, UnknownVersionError

log = logging.getLogger("goodserve")

Signature = tuple[str | None, ...]

# Retry transient failures (for example GPU out of memory) even if no file changed.
RETRY_S = 30.0
# The machine's fault, which may be over at once: too many open files, no memory.
SHORTAGE, PASSING_RETRY_S = "shortage", 1.0
MISSING, UNREAD = "missing", "repository"
# Of no version's making: it was there a moment before, and the machine may soon be able to read and
# to load it.
PASSING = frozenset({MISSING, UNREAD, SHORTAGE})
_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})


# The kind of a reason, by the error: the first that fits.
_KINDS: tuple[tuple[type[Exception], str], ...] = (
    (UnknownVersionError, MISSING),
    (BrokenVersionError, "damaged"),
    (RepositoryError, UNREAD),
    (FloorError, "less-accurate"),
    (AnswersError, "answers"),
    (ContractError, "contract"),
    (TimeoutError, "too-slow"),
)


def kind_of(error: Exception) -> str:
    """Name the kind of reason why a version does not serve, as the metrics do."""
    if _is_shortage(error):
        return SHORTAGE
    return next((kind for type_, kind in _KINDS if isinstance(error, type_)), "failed")


def pause_s(kind: str, *, is_named: bool) -> float:
    """Say how long a version is not tried again, for which nothing has changed.

    Args:
        kind: of the reason.
        is_named: whether requests name the version, so that somebody would come again.
    """
    is_passing = kind in PASSING and (kind != MISSING or is_named)
    return PASSING_RETRY_S if is_passing else RETRY_S


def _is_shortage(error: BaseException | None) -> bool:
    """Tell whether an error, or one that led to it, is the machine's and not the version's."""
    if isinstance(error, MemoryError) or getattr(error, "errno", None) in _SHORTAGES:
        return True
    return error is not None and _is_shortage(error.__cause__)


def _is_version(of: str) -> bool:
    """Tell a version from a model's name and from a file."""
    return "/" in of


@dataclass(frozen=True)
class Refusal:
    """Why a version that was to become active does not serve.

    Attributes:
        version: its name, or the file that names it.
        reason: for people.
        kind: of reason, one of a few words, for the metrics.
        signature: the state of its files; another one is worth another try.
        retry_at: when to try again all the same, in seconds of the clock.
    """

    version: str
    reason: str
    signature: Signature
    retry_at: float
    kind: str = "failed"


class Refusals(Mapping[str, Refusal]):
    """Refusals by what they stand in the way of: a model's name, a version, or a file."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin without any; the clock gives monotonic seconds."""
        self._clock = clock
        self._known: dict[str, Refusal] = {}

    def __getitem__(self, of: str) -> Refusal:
        """Give what stands in the way of something."""
        return self._known[of]

    def __iter__(self) -> Iterator[str]:
        """Name what something stands in the way of."""
        return iter(self._known)

    def __len__(self) -> int:
        """Count what something stands in the way of."""
        return len(self._known)

    def standing(self) -> tuple[Refusal, ...]:
        """Give those of what was to serve: not of versions that requests merely named."""
        return tuple(refusal for of, refusal in self._known.items() if not _is_version(of))

    def keep_only(self, active: Mapping[str, str]) -> None:
        """Forget those of models that are to serve by other versions now, or not at all.

        Args:
            active: the version of each model that is to serve, as text, by the model's name.
        """
        for of, refusal in [*self._known.items()]:
            is_model = not _is_version(of) and of != refusal.version
            if is_model and active.get(of) != refusal.version:
                self.forget(of)

    def reason(self, version: str) -> str | None:
        """Say why a version does not serve, whatever it was to serve as; None: nothing stands."""
        return next((r.reason for r in self._known.values() if r.version == version), None)

    def is_worth_a_try(self, of: str, signature: Signature) -> bool:
        """Tell whether files have changed since the refusal, or it is long ago."""
        known = self._known.get(of)
        if known is None or known.signature != signature:
            return True
        return self._clock() >= known.retry_at

    def refuse(self, of: str, refusal: Refusal, serving: object = None) -> None:
        """Remember and log why a version does not serve; the same again is not logged again.

        Args:
            of: what it was to serve as.
            refusal: the version, and why.
            serving: what goes on serving in its place.
        """
        known = self._known.get(of)
        self._known[of] = refusal
        if known is None or (known.version, known.reason) != (refusal.version, refusal.reason):
            instead = f"{serving} goes on serving" if serving else "nothing is served"
            log.error("refused %s: %s; %s", refusal.version, refusal.reason, instead)

    def forget(self, of: str) -> None:
        """Nothing stands in its way any more."""
        self._known.pop(of, None)
