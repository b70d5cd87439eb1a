"""From named pictures to a data set: decoded through the cache, checked, split."""

import logging
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.data.cache import cached, default_cache
from training.data.dataset import Dataset, Split
from training.data.decode import (
    DECODE_VERSION,
    Decoded,
    available_cores,
    decode,
    decode_in_processes,
)
from training.data.listing import Listing, key_of, shortened
from training.data.picture import Purpose
from training.data.split import PATH_RULE, drawn, path_keys, stratified
from training.errors import DataError
from training.settings.data import DataOptions

Say = Callable[[str], None]

log = logging.getLogger("goodserve")

# Less than this is decoded in about a second: neither processes nor a cache would pay.
_SMALL_COUNT = 1_000
_SMALL_BYTES = 16_000_000
_TOLD_TIMES = 10
# Of the squares that pictures become where no size is asked for.
_SIDE = 32


def read_pictures(listing: Listing, options: DataOptions, seed: int, say: Say) -> Dataset:
    """Read every picture of a listing, and set test images aside where it names none.

    Args:
        listing: of the pictures.
        options: the side in pixels, the cache, what is done with unreadable pictures, the rule
            by which images are set aside.
        seed: decides the order, and which images are kept for the test.
        say: hears how far a long decoding is.

    Raises:
        DataError: a class has too few pictures that can be read, or, with `strict`, one cannot
            be read.
    """
    decoded = _decoded(listing, options, say)
    _tell_faults(listing, decoded.faults, strict=options.strict)
    splits = _splits(listing, _tensor(decoded.pixels), decoded.faults)
    _refuse_small_classes(listing, splits)
    chance, keys = torch.Generator().manual_seed(seed), None
    if options.split_rule == PATH_RULE:
        keys = path_keys((picture.path for picture in listing.pictures), seed)
    train, validation = splits["train"], splits.get("validation")
    test = splits.get("test")
    if test is None:
        # Where there is no validation split yet, one image more is left: it is taken from these.
        leave = 1 if validation is not None else 2
        left, aside = stratified(
            train.labels, options.test_fraction, drawn(train, keys, chance), leave
        )
        train, test = train.take(left), train.take(aside)
    # Shuffled, so that limit_train and limit_test, which keep the first, keep every class.
    return Dataset(
        train.take(drawn(train, keys, chance)),
        test.take(drawn(test, keys, chance)),
        listing.classes,
        may_flip=True,
        validation=validation,
        keys=keys,
    )


def _decoded(listing: Listing, options: DataOptions, say: Say) -> Decoded:
    """Decode what is small here, and the rest in processes and into a cache."""
    size = options.image_size or _SIDE
    paths = [listing.root / picture.path for picture in listing.pictures]
    size_bytes = sum(stamp.size_bytes for stamp in listing.stamps)
    is_small = len(paths) <= _SMALL_COUNT and size_bytes <= _SMALL_BYTES
    if is_small and options.cache is None:
        return decode(paths, size)
    folder = options.cache or default_cache()

    def parts() -> Iterator[Decoded]:
        if is_small:
            yield decode(paths, size)
        else:
            say(f"decoding {len(paths):,} pictures into {folder}")
            told = _telling(len(paths), say)
            yield from decode_in_processes(paths, size, available_cores(), told)

    key = key_of(listing, size, DECODE_VERSION)
    return cached(folder, key, (len(paths), size, size, 3), parts)


def _telling(total: int, say: Say) -> Callable[[int], None]:
    """Say how far it is, a few times in all."""
    shares = iter(range(1, _TOLD_TIMES))
    following = next(shares)

    def told(done: int) -> None:
        nonlocal following
        if done * _TOLD_TIMES >= following * total and done < total:
            say(f"decoded {done:,} of {total:,} pictures")
            following = max(following + 1, done * _TOLD_TIMES // total + 1)

    return told


def _tell_faults(listing: Listing, faults: Mapping[int, str], *, strict: bool) -> None:
    """Name the pictures that cannot be read.

    Raises:
        DataError: there are some, and `strict` refuses them.
    """
    if not faults:
        return
    named = [f"{listing.pictures[place].path} ({faults[place]})" for place in sorted(faults)]
    message = f"{len(faults)} pictures cannot be read in {listing.root}: {shortened(named)}"
    if strict:
        message += "; mend them or take them away, or leave --strict out to skip them"
        raise DataError(message)
    log.warning("%s; they are skipped", message)


def _tensor(pixels: NDArray[np.uint8]) -> Tensor:
    """Wrap pixels without copying them.

    A mapping that could be written to counts as memory and is refused where it is larger than the
    machine's; ours cannot, of which torch warns. Nothing writes to a pool.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(pixels)


def _splits(listing: Listing, pool: Tensor, faults: Collection[int]) -> dict[Purpose, Split]:
    """Gather the rows of each split that the listing names, without unreadable pictures."""
    rows: dict[Purpose, list[int]] = {"train": []}
    for row, picture in enumerate(listing.pictures):
        rows.setdefault(picture.purpose, [])
        if row not in faults:
            rows[picture.purpose].append(row)
    labels = torch.tensor([picture.label for picture in listing.pictures], dtype=torch.int64)
    numbers = {purpose: torch.tensor(found, dtype=torch.int64) for purpose, found in rows.items()}
    return {purpose: Split(pool, labels[found], found) for purpose, found in numbers.items()}


def _refuse_small_classes(listing: Listing, splits: Mapping[Purpose, Split]) -> None:
    """Make sure that every class has an image to learn from, and one for each split from these."""
    missing = [purpose for purpose in ("validation", "test") if purpose not in splits]
    needed = 1 + len(missing)
    found = torch.bincount(splits["train"].labels, minlength=len(listing.classes)).tolist()
    for name, count in zip(listing.classes, found, strict=True):
        if count < needed:
            also = "".join(f", one for {purpose}" for purpose in missing)
            message = (
                f"class {name!r} of {listing.root} has {count} images that can be read, needs "
                f"{needed}: one to learn from{also}"
            )
            raise DataError(message)
