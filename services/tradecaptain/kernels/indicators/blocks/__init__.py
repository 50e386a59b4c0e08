"""Building blocks: compiled functions of a node and a range of bars (see ``node``).

A block is ``block(node, first, end)``: the address of a node's words, and a range of bars as
indices into its columns. Columns are series of float64, named in their order, inputs before
results; x and y are the first two where nothing else is said. ``integer n`` and ``real n`` are the
node's parameters, whose ranges the registry checks. A block writes its results in place, in the
units of its inputs unless it says otherwise, allocates nothing and raises nothing.

Sources: those of the indicators that use a block (``definitions``), unless the block names its own.
"""
