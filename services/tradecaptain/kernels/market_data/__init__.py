"""Market data kernels: vendor text to normalised messages, and mirror books made from them.

Everything here is pure: bytes and records in, records out. No clock, no file, no allocation.
"""
