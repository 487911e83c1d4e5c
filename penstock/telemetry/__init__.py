"""The control plane's own voice: structured logs and metrics."""
