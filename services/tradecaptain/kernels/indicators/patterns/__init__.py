"""Candlestick patterns: predicates on the last few candles, and blocks that run them.

Source: Morris, Candlestick Charting Explained (1995); Nison, Japanese Candlestick Charting
Techniques (1991). A predicate gets the four prices as series, the bar, and the thresholds that it
asks for as series too: ``body_long[i - 2]`` is what counts as a long body for the candle two bars
back.
"""
