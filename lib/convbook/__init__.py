"""Convolution from scratch in NumPy, in the signatures of ``keras.ops``.

The rooms, each importing only those before it:

``shapes``      sizes, parameters, connections, receptive fields: arithmetic
``algorithms``  one file per way to convolve
``ops``         ``conv``, ``max_pool`` and their siblings
``gradients``   of the operations in ``ops``
``layers``      ``Conv2D``, ``Dense`` and their siblings: forward and backward
``training``    losses, optimizers, ``fit``
``models``      ``Sequential``, ``lenet5``
``datasets``    MNIST, Fashion-MNIST, digits, a photograph
``figures``     the drawings of the book (needs matplotlib)
``explorers``   the interactive figures (needs anywidget)
``checks``      the exercise checkers, one file per lesson
``reference``   the only module that imports Keras

``import convbook`` brings those down to ``models`` and costs NumPy and nothing else.
"""

from convbook import algorithms, gradients, layers, models, ops, shapes, training

__all__ = ["algorithms", "gradients", "layers", "models", "ops", "shapes", "training"]
__version__ = "0.1.0"
