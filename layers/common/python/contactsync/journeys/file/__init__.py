"""What the steps of a file's journey do, in story order:

remote         fetch: a source on a customer's server; reaching: fetch's errand there, in a function of its own
opening        parse: what a file is and how it is read (previewing shows the same); files, cutting: its bytes
chunks         map: one chunk of rows; known: those that come again as they were
units          plan: one unit of shards; reading: what is stored for its rows; missing: whom no row mentions
guarding       guard
applying       upsert: one unit
finishing      notify: counts that add up, the record closed; notifying: the mail to those who want to hear of it
ruling         the rules of a run, from its sync; runfiles: what a run leaves in the bucket
"""
