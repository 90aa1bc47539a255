"""Keras, quietly: the independent implementation that the book compares itself with.

The only module of ours that imports Keras or TensorFlow. It keeps TensorFlow's start-up messages off the page, which
must be asked for before TensorFlow is imported.
"""

from __future__ import annotations

import logging
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import tensorflow

__all__ = ["keras", "tensorflow"]

# In a notebook TensorFlow's Python logger writes to stdout, where its advice on speed would be part of the page.
logging.getLogger("tensorflow").setLevel(logging.ERROR)
