"""The page of `edgeneuro v1 report`."""
