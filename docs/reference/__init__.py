"""The lists and tables of the pages, made from the records in the code. ``make docs`` writes them (cogapp).

A page calls a function between ``<!--cog`` and ``-->``; what it returns stands there up to ``<!--end-->``.
"""
