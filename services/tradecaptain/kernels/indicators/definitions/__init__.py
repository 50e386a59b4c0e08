"""What each indicator is made of; importing the package fills the registry.

A definition takes the graph, columns of float64 of one length (prices and volumes in the quotes'
own units) and its parameters by keyword, and gives one column an output, as long as the inputs.
Values are in the units of the input unless a definition says per cent, degrees or a range; they
begin after the warm-up that its columns carry, before which they are NaN, or 0 for whole numbers.
Names, ranges and defaults of parameters stand in the call of ``indicator`` above each definition
and are checked before it is called, with ``IndicatorError``; a definition itself raises nothing.
Quotients without a divisor have the value that TA-Lib gives them, which the blocks say.

Source of every definition: TA-Lib 0.8.1's function of the registered name, its seeds and ties
included; the functions name who published the formula.
"""

from tradecaptain.kernels.indicators.definitions import (
    direction,
    momentum,
    overlap,
    patterns,
    price,
    stochastic,
    volatility,
    volume,
)

__all__ = [
    "direction",
    "momentum",
    "overlap",
    "patterns",
    "price",
    "stochastic",
    "volatility",
    "volume",
]
