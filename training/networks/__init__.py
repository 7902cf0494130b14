"""The common parts of all Keras networks: their inputs, the fitted networks as one model, and their answers."""
