"""Trueline: a table in, a live prediction API out."""

from trueline.own_packages import take_names

take_names()
