"""The service as BentoML knows it, and what Trueline changes in BentoML."""
