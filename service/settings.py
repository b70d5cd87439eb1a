"""The service's settings: read from the environment here, and nowhere else."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal, Self

from cyclopts import Parameter
from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from model.artifact.repository import BUNDLED_REPOSITORY
from service.setting_values import NamedPath, NamedPlace, NamedText, Origins, Proxies

PREFIX = "GOODSERVE_"

# One limit may not be over another, or what the first allows could never pass the second.
_ORDERED = (
    ("max_images_per_request", "max_waiting_images", "a full request must be able to wait"),
    ("max_request_bytes", "max_bytes_in_flight", "a full body must be able to come in"),
    ("max_image_pixels", "max_request_pixels", "a full image must be able to come in"),
)
# Addresses that stand for all of a machine's.
_EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104  they are told from others


class Settings(BaseSettings):
    """Every setting; each is the environment variable `GOODSERVE_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    host: NamedText = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    grpc_port: int | None = Field(
        None, ge=1, le=65535, description="port for the Open Inference Protocol over gRPC"
    )
    repository: NamedPlace = Field(
        str(BUNDLED_REPOSITORY), description="the model repository: a folder, or s3://BUCKET/PREFIX"
    )
    public_key: NamedPath | None = Field(
        None, description="PEM file of public keys; versions signed by none of them are refused"
    )
    max_models: int = Field(
        8, ge=1, description="versions loaded beside the default model's; beyond, one is unloaded"
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="auto: CUDA where onnxruntime has it, else the CPU"
    )
    workers: int | None = Field(
        None,
        ge=1,
        le=64,
        description="processes; by default one per core up to eight, then one for every four",
    )
    lane_workers: int | None = Field(
        None,
        ge=1,
        le=256,
        description="threads of a process that decode and run; by default its share of the cores",
    )
    intra_op_threads: int | None = Field(
        None, ge=1, le=256, description="threads within one session run of a batch (default 1)"
    )
    lone_threads: int | None = Field(
        None,
        ge=1,
        le=256,
        description="threads for a lone image while nothing else runs; by default those of the "
        "process, at most 4",
    )
    max_batch_size: int | None = Field(
        None, ge=1, le=4096, description="images in one session run (default 16 on a CPU, else 64)"
    )
    max_waiting_images: int = Field(
        8192, ge=1, description="images that may wait or run; beyond: 429"
    )
    max_wait_s: float = Field(
        2.0, gt=0, description="seconds that an image may be expected to wait; beyond: 429"
    )
    anytime: float | None = Field(
        None,
        gt=0,
        le=1,
        description="stop after the first layers where the whole network would give the same "
        "class with this confidence, for example 0.99; by default never",
    )
    anytime_under_load: float | None = Field(
        None,
        gt=0,
        le=1,
        description="the same, while the expected wait is over half of max_wait_s",
    )
    familiar_from: float = Field(
        5.0,
        ge=0,
        le=100,
        description="percentile of familiarity from which an image counts as familiar",
    )
    max_concurrent_requests: int = Field(
        4096, ge=1, description="requests in flight at once; beyond: 429"
    )
    max_bytes_in_flight: int = Field(
        512 * 2**20, ge=1, description="bytes of all bodies held at once; beyond: 429"
    )
    read_timeout_s: float = Field(
        20, gt=0, description="seconds in which a body must have come; beyond: 408"
    )
    max_images_per_request: int = Field(32, ge=1, description="images in one request; beyond: 413")
    max_request_bytes: int = Field(32 * 2**20, ge=1, description="bytes of a body; beyond: 413")
    max_image_bytes: int = Field(16 * 2**20, ge=1, description="bytes of an image; beyond: 413")
    max_image_pixels: int = Field(
        50_000_000, ge=1, description="width times height by the image's header; beyond: 413"
    )
    max_request_pixels: int = Field(
        100_000_000, ge=1, description="pixels of all images of a request; beyond: 413"
    )
    decode_threads: int = Field(2, ge=1, le=256, description="large images decoded at once")
    large_image_pixels: int = Field(
        300_000,
        ge=1,
        description="pixels from which an image is decoded aside, not between two batches",
    )
    stall_timeout_s: float = Field(
        30, gt=0, description="seconds after which a batch in hand counts as hung"
    )
    poll_interval_s: float | None = Field(
        None,
        gt=0,
        le=60,
        description="seconds between looks for a new active version; by default 0.25 in a folder, "
        "5 in a bucket",
    )
    shutdown_grace_s: int = Field(
        30, ge=1, description="seconds in which requests in flight may end after SIGTERM"
    )
    metrics_folder: Annotated[Path | None, Parameter(parse=False)] = Field(
        None, description="where several workers share their counts; serve makes it"
    )
    access_log: bool = Field(default=False, description="log a line per request")
    cors_origins: Origins = Field(
        "",
        description="origins whose pages may ask, separated by commas; * for all",
    )
    admin_port: int | None = Field(
        None, ge=0, le=65535, description="serve /admin here alone; by default on the same port"
    )
    admin_host: NamedText = Field("127.0.0.1", description="address of the admin port")
    ssl_certfile: NamedPath | None = Field(
        None, description="PEM with certificate and chain; with it the service speaks TLS"
    )
    ssl_keyfile: NamedPath | None = Field(
        None, description="PEM with the certificate's key, where that file has it not"
    )
    forwarded_allow_ips: Proxies = Field(
        "",
        description="addresses or networks of proxies whose X-Forwarded-For and -Proto are "
        "believed, separated by commas; by default nobody's",
    )
    keys_file: NamedPath | None = Field(
        None,
        description="who may ask: goodserve keys makes it; where neither it nor api_keys is set, "
        "all may predict; where they hold no key, nobody",
    )
    api_keys: str = Field("", description="the same as a text: the content of a keys file")
    open_metrics: bool = Field(
        default=True, description="answer /metrics without a key where there are keys"
    )
    load_timeout_s: float = Field(
        60, gt=0, description="seconds in which a version must be loaded and checked, or is refused"
    )
    floor_points: float | None = Field(
        None,
        ge=0,
        le=100,
        description="percentage points that a new version may be less accurate than the one before "
        "it, on the images which that one kept; by default any",
    )
    otlp_endpoint: str | None = Field(
        None,
        pattern="^https?://",
        description="URL of an OpenTelemetry collector, for example http://collector:4318, which "
        "gets traces by OTLP; by default there are none",
    )
    otlp_share: float = Field(
        1.0, ge=0, le=1, description="part of the requests without a traceparent that is traced"
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="lines for people, or an object per line for programs"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least severe message that is logged"
    )

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        self._check_ports()
        for smaller, larger, why in _ORDERED:
            if getattr(self, smaller) > getattr(self, larger):
                message = (
                    f"{smaller} {getattr(self, smaller)} is over {larger} "
                    f"{getattr(self, larger)}; {why}"
                )
                raise ValueError(message)
        if self.admin_port is not None and self.keys_file is None and not self.api_keys:
            message = (
                f"admin_port {self.admin_port} opens nothing without keys; name a keys_file, which "
                "goodserve keys new makes"
            )
            raise ValueError(message)
        if self.ssl_keyfile is not None and self.ssl_certfile is None:
            message = f"ssl_keyfile {self.ssl_keyfile} is of no use without an ssl_certfile"
            raise ValueError(message)
        shed, usual = self.anytime_under_load, self.anytime
        if shed is not None and usual is not None and shed > usual:
            message = (
                f"anytime_under_load {shed:g} is over anytime {usual:g}; load must not make an "
                "answer deeper"
            )
            raise ValueError(message)
        if self.grpc_port is not None and find_spec("grpc") is None:
            message = (
                "grpc_port needs grpcio, which is not installed: pip install 'goodserve[grpc]'"
            )
            raise ValueError(message)
        if self.otlp_endpoint is not None and not _has_otlp():
            message = (
                "otlp_endpoint needs OpenTelemetry, which is not installed: "
                "pip install 'goodserve[otel]'"
            )
            raise ValueError(message)
        if self.read_timeout_s >= self.shutdown_grace_s:
            message = (
                f"read_timeout_s {self.read_timeout_s:g} is not under shutdown_grace_s "
                f"{self.shutdown_grace_s}; a stalled body would be cut off at shutdown"
            )
            raise ValueError(message)
        return self

    def _check_ports(self) -> None:
        """Refuse two listeners on one port of one address.

        Raises:
            ValueError: they could not both listen.
        """
        own, admin = (self.host, self.port), (self.admin_host, self.admin_port)
        beside = [("grpc_port", (self.host, self.grpc_port)), ("admin_port", admin)]
        pairs = [("port", own, *other) for other in beside] + [(*beside[0], *beside[1])]
        for one, (host, port), other, (other_host, other_port) in pairs:
            meet = host == other_host or not _EVERYWHERE.isdisjoint({host, other_host})
            if port and port == other_port and meet:
                message = f"{one} and {other} are both {port}; each needs one of its own"
                raise ValueError(message)


def _has_otlp() -> bool:
    try:
        return find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:  # not even the package above it
        return False
