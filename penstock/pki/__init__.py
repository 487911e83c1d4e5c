"""Certificate authorities, leaf certificates and their renewal dates; PEM only, keys for their owner's eyes alone."""
