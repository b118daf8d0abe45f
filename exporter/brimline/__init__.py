"""Brimline: the memory guardian for self-hosted inference services."""

__version__ = "0.1.0"
