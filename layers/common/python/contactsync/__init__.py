"""Contact Sync: keeps a company's contact list true to its files and address books."""
