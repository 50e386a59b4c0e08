"""The risk service: sets the gate's limits and kill switches, keeps positions and exposure."""
