"""Who the customers are, who gets in, and what is kept of people:

accounts       customers, and what an operator does to them; members, keys, signing_in: who gets in
exporting      everything, as files to take along, as long as that takes: stretch by stretch (stretches)
erasing        one person, forgotten; forgetting: an account, or what it no longer wants kept
"""
