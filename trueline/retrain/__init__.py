"""Versions made from earlier ones: trained anew by their recipe, tuned further, calibrated anew, or repeated."""
