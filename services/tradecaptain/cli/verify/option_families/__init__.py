"""Judges of option families: each module has ``FAMILIES``, judges by family name.

Field names are those of the files: ``type`` is call or put, ``t`` years, ``r`` and ``q`` rates with
continuous compounding, ``vol`` a volatility for a year.
"""
