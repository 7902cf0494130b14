"""Watchers of the answers: a tap passes each answer to them in a thread beside the requests."""
