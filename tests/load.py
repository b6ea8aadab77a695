# SPDX-License-Identifier: GPL-2.0-only
"""Python scripts that are commands, and so have no .py, as modules."""
import importlib.machinery
import importlib.util
import os

HERE = os.path.dirname(os.path.abspath(__file__))


def script(name):
    """The script tests/NAME as a module; its main() does not run."""
    loader = importlib.machinery.SourceFileLoader(name, os.path.join(HERE, name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module
