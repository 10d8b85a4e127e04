"""TensorRT 10, TensorRT 11 and TensorRT-RTX behind one adapter that asks for attributes, never for version numbers."""
