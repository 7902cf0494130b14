"""The lists and tables of the pages, made from the records in the code. ``make docs`` writes them (cogapp).

A page calls a function between ``<!--cog`` and ``-->``; the text that it returns follows, up to ``<!--end-->``.
"""
