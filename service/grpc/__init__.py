"""The Open Inference Protocol V2 over gRPC: each call is asked of its REST form, in process."""
