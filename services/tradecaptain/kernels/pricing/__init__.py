"""Closed-form option pricing: one family a module, all under the convention of ``registry``.

``elementary`` has the functions that everything is made of, ``columns`` names the rows of input and
output blocks, ``status`` the results of ``validity``'s checks. Scalar forms are the functions named
after what they return (``black_scholes_greeks``); they can be called from any kernel. Array forms
work on blocks and release the GIL.
"""
