"""Where nodes run. A provider knows processes, directories and addresses, and nothing of Kafka."""
