"""A snapshot turned into Prometheus families."""
