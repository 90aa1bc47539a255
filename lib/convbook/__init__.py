"""Convolution from scratch in NumPy, in the signatures of ``keras.ops``.

The rooms, each importing only those before it:

``shapes``      sizes, parameters, connections, receptive fields: arithmetic
``algorithms``  one file per way to convolve
``ops``         ``conv``, ``max_pool`` and their siblings
``datasets``    MNIST, digits, a photograph
``figures``     the drawings of the book (needs matplotlib)
``checks``      the exercise checkers, one file per lesson
``reference``   the only module that imports Keras

``import convbook`` brings the first three and costs NumPy and nothing else.
"""

from convbook import algorithms, ops, shapes

__all__ = ["algorithms", "ops", "shapes"]
__version__ = "0.1.0"
