"""Every analysis of one session, kept step by step, and what the study found beside it."""
