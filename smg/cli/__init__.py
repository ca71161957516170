"""The ``smg`` command: one file per subcommand, heavy imports only where they are needed."""
