"""The local stack: AWS, the deployed template and the twins, all on 127.0.0.1."""
