"""What an operator does to a deployed stack from a terminal: one command a module.

    python -m contactsync <command> --stack contact-sync …

A command is a module here with three names: its docstring's first line is its help, `arguments` adds its own
options to a parser that knows --stack, and `run` carries it out and answers with the process's exit status. Credentials
and region come from where the AWS tools look for them.
"""
