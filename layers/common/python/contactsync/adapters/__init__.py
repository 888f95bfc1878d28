"""Where a port meets the outside: AWS, and memory. Both pass the same contract tests."""
