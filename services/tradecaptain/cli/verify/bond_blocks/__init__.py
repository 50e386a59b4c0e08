"""Judges of fixed income files, by block: one module for each kind of block."""
