"""The SQL store: what is desired, what was computed, what was done, and the secrets, sealed."""
