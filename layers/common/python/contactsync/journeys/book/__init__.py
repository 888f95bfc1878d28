"""What the steps of an address book's journey do, and what people do about their books:

bookrun        what the steps share; bookfiles: what a run leaves besides its plan
pulling        pull: what has changed in the book, and here
reconciling    reconcile; gathering: what is known, meeting: who is who, pairing: what becomes of two,
               picturing: and of their pictures
pushing        push
album          where pictures lie
committing     commit; counting: what books have brought today
rejecting      pull, where somebody has rejected what the run before wanted to delete
undoing        reconcile, where a run takes another one back
books          what sets a run going when contacts change

connecting     books begun, signed in for, disconnected; attaching: which connection a book has
losing         whose book does not let us in any more is told
keeping        what members have lent us, and the one function that opens it
subscribing    who wants whom in their own book; ticking: and who has or gets that without asking
reviewing      who a card is, where that is not certain; contacts that two programs kept overwriting
"""
