"""The interactive figures of the book: they compute in the page, with a kernel and without.

``ConvolutionExplorer``  a kernel slides over an input, and every output shows what it is made of
``PoolingExplorer``      an input is pooled, shifted and pooled again: what stays and what changes
"""

from convbook.explorers.convolution import ConvolutionExplorer
from convbook.explorers.pooling import PoolingExplorer

__all__ = ["ConvolutionExplorer", "PoolingExplorer"]
