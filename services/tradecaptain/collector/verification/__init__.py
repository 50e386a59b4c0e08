"""Verification: replay vendor files against what the vendor itself says about its book."""
