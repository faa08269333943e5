"""Where training runs. A launcher starts the trainer on files, and never gives it a key or the database."""
