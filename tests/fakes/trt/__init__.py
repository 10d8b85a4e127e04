"""The fake TensorRTs: one implementation, cut to what each version has."""
