"""The processes of one service: what the parent checks and keeps before it starts workers, and when they end."""
