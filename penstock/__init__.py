"""Penstock: managed Apache Kafka that you own. The Amazon MSK API over real, unmodified Apache Kafka."""
