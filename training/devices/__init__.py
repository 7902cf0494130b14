"""Where training computes: Keras's backend, its devices, their precision, and threads."""
