"""The report of a version: one JSON, one HTML page with its pictures inside, and the pictures as PNG."""

from training.report.content import gather
from training.report.write import write_report

__all__ = ["gather", "write_report"]
