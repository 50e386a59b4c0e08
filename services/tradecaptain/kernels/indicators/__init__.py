"""Technical indicators: the functions and candlestick patterns of TA-Lib, as programs of blocks.

An indicator is an expression over columns (``definitions``), laid out as a list of nodes
(``graph``, ``program``), each of which runs one of a few dozen compiled building blocks
(``blocks``, ``patterns``). The same nodes run over whole arrays and bar by bar (``engine``), so
both forms give the same bits. ``registry`` lists all indicators with their parameters.
"""
