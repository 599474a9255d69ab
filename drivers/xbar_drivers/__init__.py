"""Drivers of xbar: what stands behind a bench. Found through entry points, never imported by xbar."""
