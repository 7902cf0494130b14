from hypothesis import settings

# The same examples on every machine, however slow it is, and nothing written beside the code.
settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
settings.load_profile("repeatable")
