"""The ports of the use cases, on AWS, ActionKit and Strive."""
