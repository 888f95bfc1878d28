"""What callers of the API ask for, and what sets runs going:

asking         uploads, imports, runs; saving: syncs; deciding: approve, reject, cancel, undo
scheduling     syncs that run by themselves; queueing: whose turn it is; lingering: what nobody has called for
dropping       files that customers' systems put into the drop bucket
editing        contacts by hand; addressing: whose an email address is; recounting: a contact's history
fielding       fields; segmenting: segments
telling        what callers are told; rows, downloads, finding: of a run's rows, as files, of contacts
"""
