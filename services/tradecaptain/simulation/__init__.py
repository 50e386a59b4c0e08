"""The whole mesh in one process, under one seeded clock: finds what no example thought of."""
