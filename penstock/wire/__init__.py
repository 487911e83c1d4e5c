"""AWS on the wire: routes, parsing, validation, signatures, errors and pages from botocore's models. Knows no Kafka."""
