"""Published indicator values, one module a library that they came from."""
