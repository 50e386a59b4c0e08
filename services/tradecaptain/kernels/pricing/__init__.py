"""Closed-form option pricing: one family a module, all under the convention of ``registry``.

``elementary`` has the functions that everything is made of, ``columns`` names the rows of input and
output blocks, ``status`` the results of ``validity``'s checks. Scalar forms are the functions named
after what they return (``black_scholes_greeks``); they can be called from any kernel. Array forms
work on blocks and release the GIL.

Units, for every function here: prices, strikes, barriers and amounts in one currency (the normal
model: any, also below zero); times in years from now; volatilities a year (0.2 is 20 %; the normal
model's in the currency); rates, yields and costs of carry a year, continuous; ``right`` is 1 for a
call, -1 for a put. ``market`` tuples are time, volatility, rate and yield (or carry, where a
function says so). Values are present values of one option, deltas and gammas by the spot, vega and
rho for 1.00, theta for a year that passes.

Domain: ``validity`` for the plain models, ``domains`` with the rules in ``families`` for the
others; checked for blocks by ``registry``, which gives a status and NaN instead of raising. Scalar
functions and block kernels check nothing and raise nothing unless they say so: outside the domain
their results mean nothing. Block kernels read ``inputs`` and fill ``outputs`` as ``columns``
describes.

Sources and errors stand in each module's docstring and hold for all its functions.
"""
