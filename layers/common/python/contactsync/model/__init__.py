"""The nouns: what a contact, a field, a sync, a run and a message are."""
