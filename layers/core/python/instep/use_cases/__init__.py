"""What the application does, spoken to ports alone."""
