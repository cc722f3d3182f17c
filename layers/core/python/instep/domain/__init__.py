"""What the product decides. Pure: no AWS, no HTTP, no clock, no chance, no logging."""
