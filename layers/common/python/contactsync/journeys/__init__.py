"""The verbs in story order; all I/O goes through `contactsync.ports`."""
