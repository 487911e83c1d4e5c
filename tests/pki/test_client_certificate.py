"""A control plane that runs for years shows a certificate that is never old."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from penstock.model.node import Issuer, Leaf
from penstock.pki.authority import Authority
from penstock.pki.client_certificate import ClientCertificate
from penstock.pki.leaves import validity

BORN = datetime(2030, 1, 1, tzinfo=UTC)
DAYS = 365


class Life:
    """A certificate on a clock that a test moves; its contexts are the PEMs themselves."""

    def __init__(self):
        self.now = BORN
        self.issued = 0
        self._authority = Authority.create("inner", BORN)
        self.certificate = ClientCertificate(self._issue, lambda pem: pem, lambda: self.now)

    def _issue(self, now):
        self.issued += 1
        return self._authority.issue(Leaf("", Issuer.CLUSTER, "plane", (), (), DAYS), now)


def test_ten_years_of_one_control_plane_are_covered_and_a_certificate_is_issued_as_rarely_as_may_be():
    life = Life()
    for _ in range(3650):
        begin, end = validity(life.certificate())
        assert begin <= life.now
        assert end - life.now > timedelta(days=DAYS / 3)
        life.now += timedelta(days=1)
    assert life.issued == 15, "one each 244 days"


def test_none_is_issued_before_somebody_connects():
    assert Life().issued == 0


def test_a_clock_that_went_back_gets_a_certificate_of_its_own_time():
    life = Life()
    life.certificate()
    life.now -= timedelta(days=2)
    assert validity(life.certificate())[0] <= life.now
