"""Local servers that behave like ActionKit and Strive, for rehearsals and tests."""
