"""Certificates for workers and callers, good and bad in every way a certificate can be."""

from __future__ import annotations

import datetime as dt
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    from pathlib import Path

NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Authority:
    """The authority workers are trusted by, another one, and where the first is told to the gateway."""

    right: trustme.CA
    wrong: trustme.CA
    path: Path

    def server(self, kind: str) -> ssl.SSLContext:
        """Return what a worker of this kind serves with."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["h2", "http/1.1"])  # grpc refuses a server that does not name its protocol
        self._server(kind).configure_cert(context)
        return context

    def mutual(self) -> ssl.SSLContext:
        """Return what a worker serves with that wants to see a certificate of the right authority."""
        context = self.server("right")
        context.verify_mode = ssl.CERT_REQUIRED
        self.right.configure_trust(context)
        return context

    def client(self, kind: str, folder: Path) -> dict[str, str]:
        """Return the settings of a caller with a certificate of this kind, or with none."""
        settings = {"ca_path": str(self.path)}
        if kind == "missing":
            return settings
        certificate = self._client(kind)
        chain, key = folder / "client.pem", folder / "client.key"
        chain.write_bytes(b"".join(part.bytes() for part in certificate.cert_chain_pems))
        key.write_bytes(certificate.private_key_pem.bytes())
        if kind == "revoked":
            self._revoke(certificate, folder)
        return settings | {"cert_path": str(chain), "key_path": str(key)}

    def caller(self, kind: str, folder: Path) -> ssl.SSLContext:
        """Return what a caller connects with who shows a certificate of this kind, or none."""
        paths = self.client(kind, folder)
        context = unchecked()
        if "cert_path" in paths:
            context.load_cert_chain(paths["cert_path"], paths["key_path"])
        return context

    def revoked(self, folder: Path) -> Path:
        """Return where the right authority lists what it has taken back: nothing, until a caller is made so."""
        path = folder / "crl.pem"
        if not path.exists():
            path.write_bytes(self._revocations())
        return path

    def _revoke(self, certificate: trustme.LeafCert, folder: Path) -> None:
        leaf = x509.load_pem_x509_certificate(certificate.cert_chain_pems[0].bytes())
        (folder / "crl.pem").write_bytes(self._revocations(leaf.serial_number))

    def _revocations(self, *serials: int) -> bytes:
        issuer = x509.load_pem_x509_certificate(self.right.cert_pem.bytes()).subject
        listed = x509.CertificateRevocationListBuilder(issuer, NOW - DAY, NOW + DAY)
        for serial in serials:
            entry = x509.RevokedCertificateBuilder(serial, NOW - DAY).build()
            listed = listed.add_revoked_certificate(entry)
        key = serialization.load_pem_private_key(self.right.private_key_pem.bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return listed.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def _client(self, kind: str) -> trustme.LeafCert:
        if kind == "expired":
            return self.right.issue_cert("gateway", not_before=NOW - 3 * DAY, not_after=NOW - DAY)
        return (self.wrong if kind == "other-ca" else self.right).issue_cert("gateway")

    def _server(self, kind: str) -> trustme.LeafCert:
        match kind:
            case "expired" | "not-yet-valid":
                begins = NOW + DAY if kind == "not-yet-valid" else NOW - 3 * DAY
                return self.right.issue_cert("localhost", not_before=begins, not_after=begins + DAY)
            case "other-ca" | "self-signed":
                authority = self.wrong if kind == "other-ca" else trustme.CA(organization_name="self")
                return authority.issue_cert("localhost")
            case "wrong-name":
                return self.right.issue_cert("elsewhere.example")
            case "no-san":
                return self.right.issue_cert(common_name="localhost")
            case _:
                return self.right.issue_cert("localhost")


def unchecked() -> ssl.SSLContext:
    """Return what a caller connects with who takes any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def authority(folder: Path) -> Authority:
    """Make the two authorities."""
    right, path = trustme.CA(organization_name="right"), folder / "ca.pem"
    right.cert_pem.write_to_path(path)
    return Authority(right, trustme.CA(organization_name="wrong"), path)
