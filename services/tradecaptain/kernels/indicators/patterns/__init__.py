"""Candlestick patterns: predicates on the last few candles, and blocks that run them.

Source: Morris, Candlestick Charting Explained (1995); Nison, Japanese Candlestick Charting
Techniques (1991). A predicate gets the four prices as series, the bar, and the thresholds that it
asks for as series too: ``body_long[i - 2]`` is what counts as a long body for the candle two bars
back.

Any finite prices may be asked about, in the quotes' own units; a comparison with NaN is false.
Nothing is raised or allocated. Which measures are compared, and whether bounds count, is as in
TA-Lib 0.8.1.
"""
