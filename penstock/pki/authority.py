"""A certificate authority: one for the home (client listeners), one for each cluster (inner listeners).

EC P-256 throughout. Nothing here says which TLS versions are spoken: that is the listener's setting."""

from __future__ import annotations

from datetime import datetime, timedelta
from ipaddress import ip_address

from attrs import field, frozen
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from penstock.model.node import Leaf

BACKDATED = timedelta(minutes=5)
"""Certificates are valid from a little before now, for clients whose clocks are slow."""
_COMMON_NAME_LIMIT = 64


class AuthorityError(Exception):
    """A certificate cannot be issued or read. The text is a sentence: what, why, what to do."""


@frozen
class Authority:
    """A CA's certificate and key. Invariant: they belong together, and the certificate may sign leaves and nothing else."""

    certificate_pem: bytes
    key_pem: bytes = field(repr=False)
    _certificate: x509.Certificate = field(repr=False, eq=False)
    _key: ec.EllipticCurvePrivateKey = field(repr=False, eq=False)

    @classmethod
    def create(cls, common_name: str, now: datetime, days: int = 3650 * 2) -> Authority:
        """A fresh self-signed authority."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(common_name)
        certificate = (
            _dated(x509.CertificateBuilder(), now, now + timedelta(days=days))
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate.public_bytes(Encoding.PEM), _pem(key), certificate, key)

    @classmethod
    def from_pem(cls, certificate_pem: bytes, key_pem: bytes) -> Authority:
        """The authority that `create` made. Raises AuthorityError where the two are not a CA and its key."""
        try:
            certificate = x509.load_pem_x509_certificate(certificate_pem)
            key = load_pem_private_key(key_pem, password=None)
        except (ValueError, TypeError) as error:
            raise AuthorityError(
                f"The CA cannot be read ({error}): give its certificate and its key as PEM."
            ) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise AuthorityError("The CA's key is not an elliptic-curve key: give the one that was made with it.")
        if certificate.public_key() != key.public_key():
            raise AuthorityError("The CA's certificate and key do not belong together: restore both from one backup.")
        if not _may_sign(certificate):
            raise AuthorityError(
                "The certificate is not a CA's: clients would refuse what it signs. Give the CA's own."
            )
        return cls(certificate_pem, key_pem, certificate, key)

    def issue(self, leaf: Leaf, now: datetime) -> bytes:
        """Key (PKCS#8), certificate and CA certificate in one PEM, as Kafka reads a key store. Each call makes a new key.

        The life is cut at the CA's own end. Raises AuthorityError for a leaf that no client could accept."""
        end = min(now + timedelta(days=leaf.days), self._certificate.not_valid_after_utc)
        if end <= now:
            raise AuthorityError(
                f"The CA {self._certificate.subject.rfc4514_string()} ended on {end:%Y-%m-%d}: nothing signed by it is valid. "
                "Make a new CA."
            )
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = self._certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        certificate = (
            _dated(x509.CertificateBuilder(), now, end)
            .subject_name(_name(leaf.common_name))
            .issuer_name(self._certificate.subject)
            .public_key(key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            # Every node is a client of the others too.
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer), critical=False)
        )
        alternatives = _alternatives(leaf)
        if alternatives:
            certificate = certificate.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        signed = certificate.sign(self._key, hashes.SHA256())
        return _pem(key) + signed.public_bytes(Encoding.PEM) + self.certificate_pem


def _dated(builder: x509.CertificateBuilder, now: datetime, end: datetime) -> x509.CertificateBuilder:
    if now.tzinfo is None:
        raise ValueError(f"{now} has no time zone: pass an aware datetime.")
    dated = builder.not_valid_before(now - BACKDATED).not_valid_after(end)
    return dated.serial_number(x509.random_serial_number())


def _name(common_name: str) -> x509.Name:
    if not 0 < len(common_name) <= _COMMON_NAME_LIMIT:
        raise AuthorityError(
            f"The common name {common_name!r} has {len(common_name)} characters; X.509 allows 1 to {_COMMON_NAME_LIMIT}. "
            "Put long names among the leaf's other names."
        )
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _alternatives(leaf: Leaf) -> list[x509.GeneralName]:
    try:
        addresses = [x509.IPAddress(ip_address(address)) for address in leaf.addresses]
        return [*(x509.DNSName(name) for name in leaf.names), *addresses]
    except ValueError as error:
        raise AuthorityError(
            f"The leaf {leaf.common_name!r} cannot be issued ({error}): names are ASCII, addresses are IPv4 or IPv6."
        ) from error


def _may_sign(certificate: x509.Certificate) -> bool:
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        return False
    return constraints.ca


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
