"""Keys and certificates hold for gRPC as they do for REST."""

import logging
import subprocess
from pathlib import Path

import pytest

from benchmarks.servers import free_port
from service.keys.file import add_key
from service.keys.key import KeyScope, make_key
from service.logs import AUDIT
from tests.service.fakes import fake_repository
from tests.service.models import fake_app_on, served

grpc = pytest.importorskip("grpc")
pb = pytest.importorskip("service.grpc.inference_pb2")
server = pytest.importorskip("service.grpc.server")

SHOP = make_key("shop", [KeyScope.PREDICT])


def test_a_call_needs_the_key_that_its_rest_form_needs(tmp_path: Path) -> None:
    """None is UNAUTHENTICATED, one without the scope PERMISSION_DENIED; no call passes beside."""
    fake_repository(tmp_path / "models")
    add_key(tmp_path / "keys.json", SHOP.entry)
    port = free_port()
    app = fake_app_on(tmp_path / "models", keys_file=tmp_path / "keys.json", grpc_port=port)
    codes = {}
    with served(app), grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        for shown in (None, "wrong", SHOP.text):
            metadata = [] if shown is None else [("authorization", f"Bearer {shown}")]
            for method, message in (
                ("ModelInfer", pb.ModelInferRequest(model_name="colours")),
                ("ModelMetadata", pb.ModelMetadataRequest(name="colours")),
                ("RepositoryModelLoad", pb.RepositoryModelLoadRequest(model_name="colours")),
            ):
                call = channel.unary_unary(f"/{server.SERVICE}/{method}")
                try:
                    call(message.SerializeToString(), timeout=60, metadata=metadata)
                    codes[shown, method] = "OK"
                except grpc.RpcError as error:
                    codes[shown, method] = error.code().name

    for shown in (None, "wrong"):
        assert {codes[shown, method] for _, method in codes} == {"UNAUTHENTICATED"}
    assert codes[SHOP.text, "ModelInfer"] == "INVALID_ARGUMENT"  # let in, but without an image
    assert codes[SHOP.text, "ModelMetadata"] == "OK"
    assert codes[SHOP.text, "RepositoryModelLoad"] == "PERMISSION_DENIED"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_audit_log_has_the_callers_address(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, host: str
) -> None:
    """Of IPv6, too, whose brackets grpcio escapes."""
    fake_repository(tmp_path / "models")
    add_key(tmp_path / "keys.json", SHOP.entry)
    port = free_port()
    app = fake_app_on(
        tmp_path / "models", keys_file=tmp_path / "keys.json", grpc_port=port, host=host
    )
    method, message = "RepositoryModelLoad", pb.RepositoryModelLoadRequest(model_name="colours")
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    with (
        caplog.at_level(logging.INFO, AUDIT),
        served(app),
        grpc.insecure_channel(where) as channel,
    ):
        call = channel.unary_unary(f"/{server.SERVICE}/{method}")
        metadata = [("authorization", f"Bearer {SHOP.text}")]
        with pytest.raises(grpc.RpcError):
            call(message.SerializeToString(), timeout=60, metadata=metadata)

    (line,) = (record.getMessage() for record in caplog.records if record.name == AUDIT)
    assert line.endswith(f"outcome=missing-scope client={host}")


def test_with_a_certificate_the_port_speaks_tls(tmp_path: Path) -> None:
    """And nothing else."""
    chain, key, port = tmp_path / "chain.pem", tmp_path / "key.pem", free_port()
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run(
        [*command, "-keyout", str(key), "-out", str(chain)], check=True, capture_output=True
    )
    fake_repository(tmp_path / "models")
    app = fake_app_on(tmp_path / "models", ssl_certfile=chain, ssl_keyfile=key, grpc_port=port)
    credentials = grpc.ssl_channel_credentials(chain.read_bytes())
    method, address = f"/{server.SERVICE}/ServerLive", f"127.0.0.1:{port}"

    with (
        served(app),
        grpc.secure_channel(address, credentials) as safe,
        grpc.insecure_channel(address) as plain,
    ):
        answer = pb.ServerLiveResponse.FromString(safe.unary_unary(method)(b"", timeout=60))
        with pytest.raises(grpc.RpcError) as refused:
            plain.unary_unary(method)(b"", timeout=60)

    assert answer.live
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
