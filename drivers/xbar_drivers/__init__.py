"""Drivers of xbar: what stands behind a bench. Found through the entry points `xbar.drivers`, never imported by xbar."""
