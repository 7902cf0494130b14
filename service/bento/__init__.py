"""The BentoML service, and the changes that Trueline makes to BentoML."""
