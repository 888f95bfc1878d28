"""Contact Sync: keeps a company's contact list true to its files and address books."""

import gc

# What is imported is no garbage: to look for some meanwhile takes 10 to 20 ms. Functions look more often then (`entry`).
gc.set_threshold(250_000, 20, 20)
