"""Looks at certificate and key before anything is started: one line says what is wrong."""

import ssl
from pathlib import Path


class TlsError(Exception):
    """Certificate or key cannot be used; the message says which and why."""


def check_tls(certificate: Path, key: Path | None) -> None:
    """See whether a server can be started with these files.

    Raises:
        TlsError: one cannot be read, they do not belong together, or the key needs a password.
    """
    try:
        # The password is wrong: without one, OpenSSL would ask for it on the terminal, and wait.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, lambda: "-")
    except ssl.SSLError as error:
        message = (
            f"TLS cannot be spoken with {certificate} and {key or 'the key in it'}: "
            f"{error.reason or error}; both must be PEM, belong together and need no password"
        )
        raise TlsError(message) from error
    except OSError as error:
        message = f"TLS cannot be spoken: {certificate} or {key}: {error.strerror}"
        raise TlsError(message) from error
