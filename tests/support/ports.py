"""Finds TCP ports that nobody uses, as benchmarks do."""

from perf.support.ports import free_port, free_port_base, port_holders

__all__ = ["free_port", "free_port_base", "port_holders"]
