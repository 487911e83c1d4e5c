"""Kafka messages that the client library does not ship; the JSON beside this file describes them in the library's form.

A class takes the JSON of its name; a response is known to the library from then on by its request's key."""

from __future__ import annotations

from kafka.protocol.api_message import ApiMessage


class UnregisterBrokerRequest(ApiMessage, load_json=__name__):
    """Take a broker's registration away (api key 64). It carries no epoch: see `ClusterAdmin.unregister`."""


class UnregisterBrokerResponse(ApiMessage, load_json=__name__):
    """Error code 0, or 102: there was no such registration."""


class AddRaftVoterRequest(ApiMessage, load_json=__name__):
    """Count a controller that follows the metadata among the voters (api key 80)."""


class AddRaftVoterResponse(ApiMessage, load_json=__name__):
    """Error code 0, or 126: this number is a voter, on this or on another volume."""


class RemoveRaftVoterRequest(ApiMessage, load_json=__name__):
    """Count a voter no more (api key 81). It names the voter's directory: another volume of the same node stays."""


class RemoveRaftVoterResponse(ApiMessage, load_json=__name__):
    """Error code 0, or 127: it is no voter."""
