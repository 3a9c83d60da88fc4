"""Certificates for a broker and its clients, as PEM files."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Certified:
    """A certificate, and the key of whom it is about."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    cert_file: Path
    key_file: Path


def authority(folder: Path, name: str) -> Certified:
    """One that signs itself, and others."""
    return _issued(folder, name, None, x509.BasicConstraints(ca=True, path_length=0))


def issued(folder: Path, name: str, by: Certified, address: str = "127.0.0.1") -> Certified:
    """Signed by an authority, for who answers at an address."""
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
    return _issued(folder, name, by, names)


def _issued(
    folder: Path, name: str, by: Certified | None, extension: x509.ExtensionType
) -> Certified:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
        .add_extension(extension, critical=by is None)
        .sign(by.key if by else key, hashes.SHA256())
    )
    certified = Certified(certificate, key, folder / f"{name}.pem", folder / f"{name}.key")
    certified.cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    certified.key_file.write_bytes(_pem(key, serialization.NoEncryption()))
    return certified


def locked(certified: Certified, path: Path) -> Path:
    """Its key in a file that takes a password."""
    path.write_bytes(_pem(certified.key, serialization.BestAvailableEncryption(b"hush-hush")))
    return path


def _pem(
    key: ec.EllipticCurvePrivateKey, encryption: serialization.KeySerializationEncryption
) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, encryption)
