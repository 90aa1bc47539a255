"""The interactive figures of the book: they compute in the page, with a kernel and without.

``ConvolutionExplorer``  a kernel slides over an input, and every output shows what it is made of
``NetworkBuilder``       layers are stacked, and each shows its shape, its cost and what it sees of the input
"""

from convbook.explorers.convolution import ConvolutionExplorer
from convbook.explorers.network import NetworkBuilder

__all__ = ["ConvolutionExplorer", "NetworkBuilder"]
