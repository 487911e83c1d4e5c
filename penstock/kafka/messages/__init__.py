"""Kafka messages that the client library does not ship; the JSON beside this file describes them in the library's form."""
