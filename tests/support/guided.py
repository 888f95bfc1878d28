"""The laws of what reads strangers' bytes, driven by the coverage of the code instead of by lot alone.

    make fuzz-guided                  each for a minute
    make fuzz-guided SECONDS=600 ARGS=files

What breaks a law is remembered in .hypothesis: `make test` then shows it, shrunk, until it is mended.
"""

from __future__ import annotations

import sys
import tempfile
from typing import Any

import atheris

with atheris.instrument_imports(include=["contactsync"]):
    from tests.property import test_any_bytes_end as files
    from tests.property import test_odd_answers_are_read as answers

LAWS: dict[str, Any] = {
    "files": files.test_every_import_ends,
    "google": answers.test_a_person_of_google,
    "microsoft": answers.test_a_contact_of_microsoft,
    "carddav": answers.test_an_answer_of_a_carddav_server,
    "card": answers.test_a_card,
    "rule": answers.test_a_recurrence_rule,
}


def main(name: str, *options: str) -> None:
    """Until an option of libFuzzer's ends it, such as `-max_total_time=60`, or the law is broken."""
    with tempfile.TemporaryDirectory() as found:
        atheris.Setup([name, f"-artifact_prefix={found}/", *options], LAWS[name].hypothesis.fuzz_one_input)
        atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
