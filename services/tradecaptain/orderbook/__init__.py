"""Our own venue: sequencer, risk gate and matching in one duty cycle, and views of its books."""
