"""Where the local stack believes itself to be: what a region and an account are to AWS."""

REGION = "eu-west-1"
ACCOUNT = "000000000000"
