"""Volatility surfaces: forwards by parity, fits, checks of arbitrage, interpolation."""
