"""Nodes that answer what a test says, and the control plane's face of a cluster of such."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from fakes.kafka_node import PATIENCE, KafkaNode

from penstock.kafka.admin import ClusterAdmin
from penstock.model.ids import FIRST_CONTROLLER


@pytest.fixture
def nodes():
    """A function that starts nodes with the given numbers."""
    with ExitStack() as stack:

        def start(*numbers):
            made = [KafkaNode(number) for number in numbers]
            for node in made:
                stack.callback(node.close)
            return made

        yield start


@pytest.fixture
def admin():
    """A function that makes an admin of nodes; a node may be an address alone."""
    with ExitStack() as stack:

        def make(*nodes, deadline=PATIENCE):
            addresses = [node.address if isinstance(node, KafkaNode) else node for node in nodes]
            brokers = [each for each in addresses if each.number < FIRST_CONTROLLER]
            controllers = [each for each in addresses if each.number >= FIRST_CONTROLLER]
            return stack.enter_context(ClusterAdmin(brokers, controllers, None, deadline))

        yield make
