"""What the notebooks need and a researcher does not: explorers, plots, exercises, tables.

`explorers` are pictures that a learner moves, over tables of numbers that the library computed;
`plots` are figures that stand still; `exercises` check answers and say what is wrong with them.
`dashboard` shows runs that train in the background, and `throughput` measures what makes them fast.
"""
