"""Ring 3: the deployed template on the local AWS, with twins that answer HTTP."""
