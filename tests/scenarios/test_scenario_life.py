"""Records over each client listener. A whole first day is in the walk."""

from __future__ import annotations

from oracle.load import check, loaded, make_topic
from oracle.plane import Cluster


def test_records_go_in_and_come_out_over_tls_and_plaintext(orders: Cluster) -> None:
    for auth in ("tls", "plaintext"):
        config = orders.client(auth)
        make_topic(config, f"first-{auth}", 3)
        with loaded(config, f"first-{auth}", 3) as load:
            load.advance()
        check(config, f"first-{auth}", 3, [load])
