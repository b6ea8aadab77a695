# SPDX-License-Identifier: GPL-2.0-only
"""The emulated lab host: kernels, images, emulators.  Standard library only."""
