"""Penstock beside Kafka started by hand, in one run on one machine: ratios count, absolute numbers are printed."""
