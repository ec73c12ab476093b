"""Small convolutional networks as machine code of their own: a `.tflite` file goes in, a `Network`.

What an interpreter does layer by layer, each time through the whole picture and back to memory, is
done here row by row while the row is in the nearest cache, by code made for the very network and
processor. It takes networks of one kind (`plan.py`) and computes in single precision.

The way through: `graph.py` reads the file, `plan.py` lays out what to compute in which memory,
`kernels.py` and `program.py` write it down in LLVM's assembly language (`text.py`),
`machine_code.py` has LLVM translate it, `network.py` runs it.

Machine code has no bounds checks, so there must be nothing to check: all shapes are constants, each
loop ends at a constant, no address depends on what is in a picture or a weight, and the blocks of
memory are as long as the plan that placed everything in them says. The caller's array is checked
for its shape, type and order before each run. The tests run the code between pages that cannot be
touched. The file has a known hash; the assembly is made in memory and never read from anywhere.
"""
