"""Mail services that do what mail services do."""

from __future__ import annotations

from contactsync.adapters.memory import MemoryMailer
from contactsync.ports import Mail


class Failing(MemoryMailer):
    """Raises `error` for the next `times` mails, or those to one address only; then sends."""

    def __init__(self, error: Exception, times: int = 1_000, only: str = "") -> None:
        super().__init__()
        self.error, self.times, self.only = error, times, only

    def send(self, mail: Mail) -> None:
        if self.times and self.only in mail.to:
            self.times -= 1
            raise self.error
        super().send(mail)
