"""User strategies: the contract that they are written against, and the agent that runs them."""
