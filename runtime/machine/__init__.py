"""What this machine is: GPU, driver, board, library bindings; read without waking a heavy library."""
