"""Kinds of verification: one module a kind, with ``KIND``, ``HELP`` and ``judge(files)``.

A module that has these three is a kind; nothing else registers it. Packages hold parts of a kind.
"""
