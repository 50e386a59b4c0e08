"""Composition only: which parts make up a mesh, how they are started, watched and stopped."""
