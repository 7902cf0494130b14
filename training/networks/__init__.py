"""What every network of Keras shares: its inputs, the fitted networks as one model, and what they answer."""
