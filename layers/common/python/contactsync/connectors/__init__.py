"""Address books: one module a provider, all behind `ports.Connector`."""
