"""Which version is live here, and the swap to another one."""
