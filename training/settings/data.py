"""The settings of the data: what to learn from, how it is split, and how it varies."""

from pydantic import Field

from training.settings.section import Section
from training.settings.values import AbsolutePath, Fraction, Positive


class DataOptions(Section):
    """How the data are split and augmented, whatever they are."""

    image_size: int | None = Field(
        None,
        ge=4,
        le=4096,
        description="side to which images are resized; by default 32 for folders and lists, and "
        "the authors' own for their files",
    )
    validation_fraction: float = Field(
        0.1, gt=0, lt=1, description="part of the training images kept for validation"
    )
    test_fraction: float = Field(
        0.1, gt=0, lt=1, description="part of a folder or list kept for the test"
    )
    split_rule: int = Field(
        3,
        ge=2,
        le=3,
        description="what pictures are drawn by for validation and test: their paths (3), so that "
        "one more moves a few at most, or their places (2), as in runs of former versions",
    )
    crop_padding: int = Field(4, ge=0, description="largest random shift in pixels")
    cutout: int = Field(
        0, ge=0, description="side in pixels of a square painted grey at random; 0: none"
    )
    crop_scale: float = Field(
        1.0,
        gt=0,
        le=1,
        description="least part of an image's area that a random crop keeps, which is then resized",
    )
    colour: Fraction = Field(
        0.0, description="random change of brightness, contrast and saturation, up to this part"
    )
    rotate: float = Field(0.0, ge=0, le=180, description="largest random rotation in degrees")
    elastic: float = Field(
        0.0, ge=0, le=100, description="standard deviation in pixels of random smooth bends"
    )
    flip: bool | None = Field(None, description="mirror at random; by default all but digits")
    limit_train: Positive | None = Field(None, description="use only so many training images")
    limit_test: Positive | None = Field(None, description="use only so many test images")
    strict: bool = Field(default=False, description="refuse unreadable pictures, not skip them")
    cache: AbsolutePath | None = Field(
        None, description="folder for decoded pictures; by default the user's cache"
    )


class DataSettings(DataOptions):
    """What to learn from, and how."""

    source: str = Field(
        description="cifar10:PATH, cifar100:PATH, mnist:PATH, fashion-mnist:PATH, folder:PATH "
        "(one sub-folder of images per class), csv:FILE or jsonl:FILE (paths and labels)"
    )

    @property
    def kind(self) -> str:
        """What stands before the colon of `source`."""
        return self.source.partition(":")[0]

    @property
    def path(self) -> str:
        """What stands after the colon of `source`; empty where there is none."""
        return self.source.partition(":")[2]
