"""The whole system on one machine: `python -m local`, or `make run`.

The real template.yaml is deployed to an AWS emulator (ministack), the handlers run under AWS's own
runtime client in processes of their own, mail goes to an inbox on this machine. Nothing outside this
package and tests/ knows that the AWS it talks to is not the real one.
"""
