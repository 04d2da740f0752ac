"""A stand-in for CIGALE: the real one's calls and traps, with spectra that fit into a formula. None of its code.

What it does to a process when it is imported is what the real one does.
"""

import os
import sys

import numpy as np

__version__ = "2023.0.fake"

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["NUMEXPR_NUM_THREADS"] = "1"
np.seterr(all="ignore")
sys.excepthook = lambda *_: None
