"""What a person has to do something about before the stack can run."""


class Problem(Exception):
    """The message says what is wrong and what to do; it is shown alone, without a traceback."""
