"""Where a file can come from: one port (`ports.Source`), one module a kind."""
