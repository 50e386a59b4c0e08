"""The pricing service: option values and greeks, on request and live with the market."""
