"""The verbs; all I/O goes through `contactsync.ports`.

A file's journey, in story order:

    importing      the seven steps; each of the following is one step's own work
    remote         fetch: a source on a customer's server; reaching: fetch's errand there, in a function of its own
    opening        parse: what a file is and how it is read (previewing shows the same); files, cutting: its bytes
    chunks         map: one chunk of rows
    units          plan: one unit of shards; reading: what is stored for its rows
    guarding       guard
    applying       upsert: one unit
    finishing      notify
    ruling         the rules of a run, from its sync; runfiles: what a run leaves in the bucket

An address book's, which shares guard, upsert and notify:

    syncing        the four other steps; bookrun: what they share; bookfiles: what a run leaves besides its plan
    pulling        pull: what has changed in the book, and here
    reconciling    reconcile; gathering: what is known, meeting: who is who, pairing: what becomes of two
    pushing        push
    committing     commit
    steps          how every step of either journey begins; books: what sets a run going when contacts change

What callers of the API do:

    asking         uploads, imports, runs; saving: syncs; deciding: approve, reject, cancel, undo
    scheduling     syncs that run by themselves; queueing: whose turn it is
    dropping       files that customers' systems put into the drop bucket
    editing        contacts by hand; addressing: whose an email address is; recounting: a contact's history
    fielding, segmenting
    subscribing    who wants whom in their own address book; counting: what books have brought today
    reviewing      who a card is, where that is not certain; contacts that two programs kept overwriting
    accounts       customers, and what an operator does to them; members, keys, signing_in: who gets in
    connecting     address books: begun, signed in for, disconnected; attaching: which connection a book has; keeping: what
                   members have lent us, and the one function that opens it
    exporting      everything, as files to take along, as long as that takes: stretch by stretch, by errands
    erasing        one person, forgotten; forgetting: an account, or what it no longer wants kept
    telling        what they are told; rows, downloads, finding: of a run's rows, as files, of contacts
"""
