"""Put on sys.path by use.py: what is here shadows the real libraries."""
