"""Messaging between processes: Aeron, its simulated twin, agents, and shared-memory state."""
