"""The HTTP API: requests in, journeys asked, answers and problems out."""
