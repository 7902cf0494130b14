"""Tables larger than memory: Parquet read batch by batch, trained from chunks on disk.

Two passes find what the whole table says (:mod:`scan`) and deal the encoded training rows at random to chunks in a
temporary file (:mod:`spool`); held-out rows and a sample of the others stay in memory as an ordinary
:class:`training.prepare.Prepared`, so that all that follows is the same. Only the steps differ: the loop's table is
replaced by the next chunk (:mod:`chunks`, :mod:`epochs`).
"""
