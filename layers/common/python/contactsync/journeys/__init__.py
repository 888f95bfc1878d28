"""The verbs; all I/O goes through `contactsync.ports`.

importing      a file's journey, the seven steps; file/ has each step's own work
syncing        an address book's, which shares guard, upsert and notify; book/ has the work of the others
steps          how every step of either journey begins; changes: who has changed here since one last looked
asked/         what callers of the API do, and what sets runs going
account/       customers, who gets in, and what is kept of people
"""
