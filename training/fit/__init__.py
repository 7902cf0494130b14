"""Networks trained side by side: the steps, the epochs, and which of them are kept."""
