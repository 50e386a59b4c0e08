"""Building blocks: compiled functions of a node and a range of bars (see ``node``)."""
