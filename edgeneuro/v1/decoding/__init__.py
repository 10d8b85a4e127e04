"""Which class of stimulus a trial was, from the responses of all neurons."""
