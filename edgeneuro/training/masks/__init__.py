"""The recipe "masks": whole images and volumes in memory, random crops of them, and networks that say where things are."""
