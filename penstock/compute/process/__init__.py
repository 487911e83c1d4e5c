"""Nodes as processes of this machine: each with a keeper, a volume and an address."""
