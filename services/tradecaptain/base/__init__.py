"""What every other part stands on: units, errors, the clock, memory access and the JIT wrapper."""
