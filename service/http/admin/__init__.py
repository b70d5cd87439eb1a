"""`/admin`: changes of the model repository over HTTP."""
