"""The interactive figures of the book: they compute in the page, with a kernel and without.

``ConvolutionExplorer``  a kernel slides over an input, and every output shows what it is made of
``LeNetExplorer``        a digit, drawn by hand, goes through a trained network
``NetworkBuilder``       layers are stacked, with their shapes, costs and receptive fields
``PoolingExplorer``      an input is pooled, shifted and pooled again: what stays and what changes
``ShiftExplorer``        a digit is moved, and three layers show what moves along and what stays
"""

from convbook.explorers.convolution import ConvolutionExplorer
from convbook.explorers.lenet import LeNetExplorer
from convbook.explorers.network import NetworkBuilder
from convbook.explorers.pooling import PoolingExplorer
from convbook.explorers.shift import ShiftExplorer

__all__ = ["ConvolutionExplorer", "LeNetExplorer", "NetworkBuilder", "PoolingExplorer", "ShiftExplorer"]
