"""The interactive figures of the book: they compute in the page, with a kernel and without.

``ConvolutionExplorer``  a kernel slides over an input, and every output shows what it is made of
"""

from convbook.explorers.convolution import ConvolutionExplorer

__all__ = ["ConvolutionExplorer"]
