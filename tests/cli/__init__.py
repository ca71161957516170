"""The ``smg`` command."""
