"""The interactive figures of the book: they compute in the page, with a kernel and without.

``ConvolutionExplorer``  a kernel slides over an input, and every output shows what it is made of
``LeNetExplorer``        a digit, drawn by hand, goes through a trained network
``ShiftExplorer``        a digit is moved, and three layers show what moves along and what stays
"""

from convbook.explorers.convolution import ConvolutionExplorer
from convbook.explorers.lenet import LeNetExplorer
from convbook.explorers.shift import ShiftExplorer

__all__ = ["ConvolutionExplorer", "LeNetExplorer", "ShiftExplorer"]
