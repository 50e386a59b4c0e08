"""Analytics of options: blocks, early exercise, exotic families, simulation, implied volatility."""
