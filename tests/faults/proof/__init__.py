"""Figures that need processes of their own: callers here, the gateway there, scripted backends in a third."""
