"""What every network of Keras shares: its inputs, and the fitted networks as one model."""
