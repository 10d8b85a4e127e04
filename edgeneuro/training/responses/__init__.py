"""Training decoders of the responses of neurons: one response vector a trial, of the neurons of one session."""
