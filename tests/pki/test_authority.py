"""Certificates as clients meet them: real handshakes between issued leaves, in Python's own ssl."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID
from fakes.tls import listening

from penstock.kafka.wire import mutual_tls_of
from penstock.model.node import Issuer, Leaf
from penstock.pki.authority import Authority, AuthorityError
from penstock.pki.private_file import write_private

NOW = datetime.now(UTC)
BROKER = Leaf("client.pem", Issuer.HOME, "node-1", ("b-1.orders.test",), ("127.64.0.20", "::1"), days=397)
PLANE = Leaf("plane.pem", Issuer.CLUSTER, "plane", (), (), days=30)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create("Penstock home", NOW)


@pytest.fixture
def written(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(pem: bytes) -> Path:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.pem"
        write_private(path, pem)
        return path

    return write


def shake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> tuple[str | None, dict[str, object] | None]:
    """A handshake in memory, and one record each way (TLS 1.3 says no at the first read only): version, client's certificate."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = client.wrap_bio(to_client, to_server, server_hostname=name)
    there = server.wrap_bio(to_server, to_client, server_side=True)
    todo = [here.do_handshake, there.do_handshake, lambda: there.write(b"hello"), lambda: here.read(5)]
    for _ in range(10):
        for step in list(todo[:2] if len(todo) > 2 else todo):
            try:
                step()
            except ssl.SSLWantReadError:
                continue
            todo.remove(step)
    assert not todo, "the handshake came to no end"
    return here.version(), there.getpeercert()


def trusting(authority: Authority) -> ssl.SSLContext:
    """What a client makes of the CA's certificate alone."""
    return ssl.create_default_context(cadata=authority.certificate_pem.decode("ascii"))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("name", ["127.64.0.20", "::1", "b-1.orders.test"])
def test_a_client_that_trusts_the_ca_reaches_the_broker_by_address_and_by_name(
    authority: Authority, written: Callable[[bytes], Path], version: ssl.TLSVersion, name: str
) -> None:
    client = trusting(authority)
    client.minimum_version = client.maximum_version = version
    spoken, _ = shake(listening(written(authority.issue(BROKER, NOW))), client, name)
    assert spoken == {"TLSv1_2": "TLSv1.2", "TLSv1_3": "TLSv1.3"}[version.name]


def test_the_control_plane_and_a_node_show_each_other_their_leaves(
    authority: Authority, written: Callable[[bytes], Path]
) -> None:
    server = listening(written(authority.issue(BROKER, NOW)), clients=authority.certificate_pem)
    client = mutual_tls_of(authority.certificate_pem, authority.issue(PLANE, NOW))
    assert client.minimum_version is ssl.TLSVersion.TLSv1_2
    _, shown = shake(server, client, "127.64.0.20")
    assert shown is not None
    assert shown["subject"] == ((("commonName", "plane"),),)


def test_strangers_are_refused(authority: Authority, written: Callable[[bytes], Path]) -> None:
    other = Authority.create("Penstock home", NOW)  # the same name makes it no friend
    leaf, plane = written(authority.issue(BROKER, NOW)), authority.issue(PLANE, NOW)
    for client in (trusting(other), mutual_tls_of(other.certificate_pem, plane)):
        with pytest.raises(ssl.SSLCertVerificationError):
            shake(listening(leaf), client, "127.64.0.20")
    for client in (trusting(authority), mutual_tls_of(authority.certificate_pem, plane)):
        with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
            shake(listening(leaf), client, "127.64.0.21")
        with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
            shake(listening(leaf), client, "b-2.orders.test")
    server = listening(leaf, clients=authority.certificate_pem)
    for client in (trusting(authority), mutual_tls_of(authority.certificate_pem, other.issue(PLANE, NOW))):
        with pytest.raises(ssl.SSLError):
            shake(server, client, "127.64.0.20")


def test_a_leaf_cannot_sign_and_a_ca_cannot_make_another(authority: Authority) -> None:
    ca = x509.load_pem_x509_certificate(authority.certificate_pem)
    assert ca.extensions.get_extension_for_class(x509.BasicConstraints).value == x509.BasicConstraints(True, 0)
    usage = ca.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.key_cert_sign, usage.crl_sign, usage.digital_signature) == (True, True, False)
    leaf = x509.load_pem_x509_certificate(authority.issue(BROKER, NOW))
    leaf.verify_directly_issued_by(ca)
    assert leaf.extensions.get_extension_for_class(x509.BasicConstraints).value == x509.BasicConstraints(False, None)
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.key_cert_sign, usage.digital_signature) == (False, True)
    purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(purposes) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    issuer = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    assert issuer == ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest


def test_the_file_is_what_kafka_reads_as_a_pem_key_store(authority: Authority) -> None:
    pem = authority.issue(BROKER, NOW)
    key = load_pem_private_key(pem, password=None)
    leaf, chain = x509.load_pem_x509_certificates(pem)
    assert pem.startswith(b"-----BEGIN PRIVATE KEY-----\n"), "PKCS#8"
    assert leaf.public_key() == key.public_key()
    assert chain == x509.load_pem_x509_certificate(authority.certificate_pem)
    again = x509.load_pem_x509_certificate(authority.issue(BROKER, NOW))
    assert again.serial_number != leaf.serial_number
    assert again.public_key() != leaf.public_key()


def test_an_authority_comes_back_from_its_pem_and_hides_its_key(authority: Authority) -> None:
    back = Authority.from_pem(authority.certificate_pem, authority.key_pem)
    assert back == authority
    ca = x509.load_pem_x509_certificate(authority.certificate_pem)
    x509.load_pem_x509_certificate(back.issue(PLANE, NOW)).verify_directly_issued_by(ca)
    assert b"PRIVATE" not in repr(back).encode()
    assert b"PRIVATE" not in back.certificate_pem


def test_what_is_no_authority_is_refused_in_sentences(authority: Authority) -> None:
    other = Authority.create("other", NOW)
    leaf = authority.issue(BROKER, NOW)
    for certificate, key, words in (
        (authority.certificate_pem, other.key_pem, "do not belong together"),
        (b"nonsense", authority.key_pem, "cannot be read"),
        (authority.certificate_pem, b"nonsense", "cannot be read"),
        (leaf, leaf, "not a CA's"),
    ):
        with pytest.raises(AuthorityError, match=words):
            Authority.from_pem(certificate, key)


def test_leaves_that_no_client_could_accept_are_not_issued() -> None:
    authority = Authority.create("short", NOW, days=10)
    for leaf, words in (
        (Leaf("x", Issuer.HOME, "n" * 65, (), (), 1), "1 to 64"),
        (Leaf("x", Issuer.HOME, "", (), (), 1), "1 to 64"),
        (Leaf("x", Issuer.HOME, "n", (), ("127.0.0",), 1), "addresses are IPv4 or IPv6"),
        (Leaf("x", Issuer.HOME, "n", ("größe",), (), 1), "names are ASCII"),
    ):
        with pytest.raises(AuthorityError, match=words):
            authority.issue(leaf, NOW)
    with pytest.raises(AuthorityError, match="Make a new CA"):
        authority.issue(PLANE, NOW + timedelta(days=11))
    with pytest.raises(ValueError, match="has no time zone"):
        Authority.create("x", NOW.replace(tzinfo=None))
    long = x509.load_pem_x509_certificate(authority.issue(BROKER, NOW))
    assert long.not_valid_after_utc == x509.load_pem_x509_certificate(authority.certificate_pem).not_valid_after_utc
