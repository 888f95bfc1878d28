"""What a cell becomes, by type, and why it is refused."""

import subprocess
import sys

import pytest

from contactsync.core.fieldtypes import BOOLEANS, BadValue, Converter, converter

LONE = "\ud83d"


def refusal(convert: Converter, cell: str) -> BadValue:
    with pytest.raises(BadValue) as caught:
        convert(cell)
    return caught.value


def test_importing_the_types_does_not_load_the_slow_libraries():
    script = "import sys, contactsync.core.mapping; print({'phonenumbers', 'email_validator', 'idna'} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "set()"


@pytest.mark.parametrize(
    "kind", ["email", "phone", "url", "date", "integer", "decimal", "boolean", "choice", "address"]
)
@pytest.mark.parametrize("cell", ["", " ", "\t ", "\u00a0", "\r\n", "\u200b", "\u202a \u202c"])
def test_blanks_are_no_value_of_any_type(kind, cell):
    assert converter(kind, country="NL", choices=["a"])(cell) is None


@pytest.mark.parametrize("kind", ["email", "phone", "url", "date", "integer", "decimal", "boolean", "choice"])
def test_no_reason_repeats_what_the_cell_holds(kind):
    secret = "Zwolle-7319-Quixote"
    told = refusal(converter(kind, country="NL", choices=["a"]), secret)
    assert not any(part in told.message for part in ("Zwolle", "7319", "Quixote"))
    assert told.message.endswith(".")


@pytest.mark.parametrize("kind", ["email", "phone", "url", "date"])
@pytest.mark.parametrize(
    "cell", ["ada@exam\x00ple.com", "06 1234\n5678", "https://example.com/\x1b", f"1990{LONE}"]
)
def test_control_characters_and_broken_ones_have_no_place_in_typed_values(kind, cell):
    assert refusal(converter(kind, country="NL"), cell).code in {"control_character", "broken_character"}


class TestEmail:
    email = staticmethod(converter("email"))

    @pytest.mark.parametrize(
        ("cell", "value"),
        [
            ("ada@example.com", "ada@example.com"),
            (" ada@example.com\u00a0", "ada@example.com"),
            ("\u200bada@example.com\u200e", "ada@example.com"),
            ("\u202aada@example.com\u202c\u202f", "ada@example.com"),
            ("Ada.Lovelace+news@Mail.EXAMPLE.com", "Ada.Lovelace+news@mail.example.com"),
            ("o'neill@example.ie", "o'neill@example.ie"),
            ("josé@example.com", "josé@example.com"),
            ("jose\u0301@example.com", "jos\u00e9@example.com"),
            ("ada@bücher.example.com", "ada@bücher.example.com"),
            ("ada@xn--bcher-kva.example.com", "ada@xn--bcher-kva.example.com"),
            ("用户@例子.广告", "用户@例子.广告"),
        ],
    )
    def test_addresses_are_kept_as_written_with_a_lower_case_domain(self, cell, value):
        assert self.email(cell) == value

    @pytest.mark.parametrize(
        ("cell", "hint"),
        [
            ("ada", "no @"),
            ("@example.com", "before the @"),
            ("ada@", "after the @"),
            ("ada@example.com, bob@example.com", "more than one"),
            ("Ada <ada@example.com>", "alone"),
            ("ada lovelace@example.com", "space"),
            ("ada..l@example.com", "dot"),
            ("ada@exam\u200bple.com", "invisible"),
            (".ada@example.com", "dot"),
            ("ada@example", "incomplete"),
            ('"ada"@example.com', "Quoted"),
            ("ada@[127.0.0.1]", "IP address"),
            ("ada@localhost", "incomplete"),
            ("ada@machine.local", "typing errors"),
            ("ada@-example.com", "typing errors"),
            ("a\uff20example.com", "no @"),
        ],
    )
    def test_the_reason_says_what_is_wrong(self, cell, hint):
        told = refusal(self.email, cell)
        assert (told.code, hint in told.message) == ("email_invalid", True)

    @pytest.mark.parametrize("cell", ["ada@example.com\n", "\r\nada@example.com", "ada@example.com \r\n "])
    def test_a_line_break_is_part_of_no_address(self, cell):
        told = refusal(self.email, cell)
        assert (told.code, "line break" in told.message) == ("control_character", True)

    def test_an_address_longer_than_mail_allows_is_refused(self):
        assert refusal(self.email, "a" * 64 + "@" + "b." * 100 + "com").code == "too_long"

    @pytest.mark.parametrize(
        "bait", ["a" * 5000 + "!", "a." * 3000, "a@" + "a-" * 3000, "a@" + "a." * 3000, "@" * 5000]
    )
    def test_no_address_takes_long(self, bait):
        import time

        start = time.process_time()
        refusal(self.email, bait)
        assert time.process_time() - start < 0.05


class TestPhone:
    dutch = staticmethod(converter("phone", country="NL"))
    nowhere = staticmethod(converter("phone"))

    @pytest.mark.parametrize(
        "cell",
        [
            "06-12345678", "06 12 34 56 78", "0612345678", "612345678", "+31612345678", "+31 (0)6 12345678",
            "0031 6 12345678", "31612345678", "(06) 12.34.56.78", " 06-12345678 ", "Tel: 06-12345678",
            "\uff10\uff16-12345678", "+31-6-1234-5678", "tel:+31612345678",
        ],
    )  # fmt: skip
    def test_every_dutch_way_of_writing_is_one_number_and_the_text_stays(self, cell):
        assert self.dutch(cell) == {"text": cell, "value": "+31612345678"}

    @pytest.mark.parametrize(
        ("country", "cell", "value"),
        [
            ("ES", "651234567", "+34651234567"),
            ("ES", "+34651234567", "+34651234567"),
            ("US", "(212) 555-0123", "+12125550123"),
            ("US", "1 212 555 0123", "+12125550123"),
            ("US", "011 31 20 123 4567", "+31201234567"),
            ("CA", "604-555-0123", "+16045550123"),
            ("IT", "06 6982", "+39066982"),
            ("GB", "020 7946 0123", "+442079460123"),
            ("IM", "07624 123456", "+447624123456"),
            ("RU", "8 (912) 345-67-89", "+79123456789"),
            ("BR", "0 15 11 96123-4567", "+5511961234567"),
            ("AR", "011 15 2345-6789", "+5491123456789"),
            ("MX", "55 1234 5678", "+525512345678"),
            ("US", "1-800-FLOWERS", "+18003569377"),
        ],
    )
    def test_local_habits_of_other_countries(self, country, cell, value):
        assert converter("phone", country=country)(cell)["value"] == value

    @pytest.mark.parametrize(
        ("country", "cell", "value"),
        [
            ("NL", "612345678.0", "+31612345678"),
            ("DE", "1751234567.0", "+491751234567"),
            ("DE", "30123456.0", "+4930123456"),
            ("IT", "3201234567.0", "+393201234567"),
            ("US", "+16175550100.0", "+16175550100"),
        ],
    )
    def test_decimals_that_a_program_has_written_behind_it_are_no_digits_of_it(self, country, cell, value):
        assert converter("phone", country=country)(cell) == {"text": cell[:-2], "value": value}

    def test_a_number_that_was_judged_before_is_a_value_of_its_own(self):
        first = self.dutch("020-1234567 ext. 12")
        first["label"] = "work"
        assert "label" not in self.dutch("020-1234567 ext. 12")

    def test_what_was_refused_before_is_refused_in_the_same_words(self):
        first, second = refusal(self.dutch, "020-12"), refusal(self.dutch, "020-12")
        assert first is not second
        assert (first.code, first.message) == (second.code, second.message)

    def test_an_extension_is_kept_apart(self):
        assert self.dutch("020-1234567 ext. 12") == {
            "text": "020-1234567 ext. 12",
            "value": "+31201234567",
            "extension": "12",
        }

    def test_without_a_country_only_full_numbers_are_read(self):
        assert self.nowhere("+31 6 12345678")["value"] == "+31612345678"
        told = refusal(self.nowhere, "06 12345678")
        assert (told.code, "country code is missing" in told.message) == ("phone_without_country", True)

    @pytest.mark.parametrize(
        ("cell", "code", "hint"),
        [
            ("call me", "phone_invalid", "not a phone number"),
            ("12", "phone_invalid", "too short"),
            ("06 1234567", "phone_invalid", "can exist in NL"),
            ("06 123456789012", "phone_invalid", "too long"),
            ("+31 6 0000 0000", "phone_invalid", "can exist"),
            ("3.46E+10", "phone_spoiled", "spreadsheet"),
            ("3,46123E+10", "phone_spoiled", "spreadsheet"),
            ("+999 12345678", "phone_invalid", "not a phone number"),
            ("+31 6 12345678 ::: 020 123 4567", "phone_invalid", "more than one number"),
            ("020 1234567; 020 7654321", "phone_invalid", "more than one number"),
            ("020 1234567 of 020 7654321", "phone_invalid", "more than one number"),
            ("020 123 4567, desk 12, or so", "phone_invalid", "not a phone number"),
            ("06" + " " * 300 + "12345678", "phone_invalid", "not a phone number"),
        ],
    )
    def test_the_reason_says_what_is_wrong(self, cell, code, hint):
        told = refusal(self.dutch, cell)
        assert (told.code, hint in told.message) == (code, True)

    def test_an_unknown_country_is_a_mistake_of_the_caller(self):
        with pytest.raises(ValueError, match="no such country"):
            converter("phone", country="UK")


class TestDate:
    iso = staticmethod(converter("date"))

    @pytest.mark.parametrize(
        ("cell", "value"),
        [
            ("1990-05-17", "1990-05-17"),
            (" 1990-05-17 ", "1990-05-17"),
            ("1990-5-7", "1990-05-07"),
            ("1990/05/17", "1990-05-17"),
            ("19900517", "1990-05-17"),
            ("2000-02-29", "2000-02-29"),
            ("--05-17", "--05-17"),
            ("--0517", "--05-17"),
            ("--02-29", "--02-29"),
            ("1990-05-17T00:00:00", "1990-05-17"),
            ("1990-05-17 23:59:59.123+02:00", "1990-05-17"),
            ("1990-05-17 0:00", "1990-05-17"),
            ("\u200e1990-05-17\u200e", "1990-05-17"),
            ("12 Mar 2024", "2024-03-12"),
            ("March 12, 2024", "2024-03-12"),
            ("12. März 2024", "2024-03-12"),
            ("1 de mayo de 1980", "1980-05-01"),
            ("3 augustus 1971", "1971-08-03"),
            ("1er août 1971", "1971-08-01"),
            ("7-Feb-2022", "2022-02-07"),
        ],
    )
    def test_what_cannot_be_misread_is_always_read(self, cell, value):
        assert self.iso(cell) == value

    @pytest.mark.parametrize(
        ("order", "cell", "value"),
        [
            ("dmy", "3/4/2024", "2024-04-03"),
            ("dmy", "03-04-2024", "2024-04-03"),
            ("dmy", "3.4.2024", "2024-04-03"),
            ("mdy", "3/4/2024", "2024-03-04"),
            ("dmy", "2024-04-03", "2024-04-03"),
            ("dmy", "3/4/2024 0:00", "2024-04-03"),
            ("mdy", "3/4/2024 12:00:00 AM", "2024-03-04"),
            ("mdy", "3/4/2024, 9:05:00\u202fPM", "2024-03-04"),
            ("mdy", "02/29", "--02-29"),
            ("dmy", "29-2", "--02-29"),
            ("dmy", "3.4.", "--04-03"),
        ],
    )
    def test_the_stated_order_decides(self, order, cell, value):
        assert converter("date", date_order=order)(cell) == value

    @pytest.mark.parametrize(
        "cell",
        [
            *("0/0/00", "0000-00-00", "00/00/0000", "00.00.0000", "0000-00-00 00:00:00", "0001-01-01"),
            *("0001-01-01T00:00:00", "01/01/0001 00:00:00", "1/1/0001 12:00:00 AM"),
            *("4501-01-01", "1/1/4501"),
        ],
    )
    def test_fillers_for_no_date_are_no_date(self, cell):
        assert self.iso(cell) is None

    @pytest.mark.parametrize(
        ("order", "cell", "code"),
        [
            (None, "03/04/2024", "date_order"),
            (None, "03/04", "date_order"),
            ("mdy", "25/12", "date_impossible"),
            ("dmy", "12/90", "date_impossible"),
            (None, "0001-01-02T", "date_invalid"),
            ("iso", "25/12/2024", "date_order"),
            ("mdy", "25/12/2024", "date_impossible"),
            (None, "2023-02-29", "date_impossible"),
            (None, "1990-13-01", "date_impossible"),
            (None, "0000-05-17", "date_impossible"),
            (None, "--02-30", "date_impossible"),
            (None, "31 April 2024", "date_impossible"),
            ("dmy", "3/4/24", "date_short_year"),
            (None, "7-Feb-22", "date_short_year"),
            (None, "yesterday", "date_invalid"),
            (None, "2024-W10-1", "date_invalid"),
            (None, "12/2024", "date_invalid"),
            (None, "1990-05-17 or so", "date_invalid"),
            (None, "\u0661\u0669\u0669\u0660-05-17", "date_invalid"),
        ],
    )
    def test_nothing_is_guessed(self, order, cell, code):
        assert refusal(converter("date", date_order=order), cell).code == code


class TestNumbers:
    @pytest.mark.parametrize(
        ("country", "cell", "value"),
        [
            (None, "42", 42),
            (None, "-007", -7),
            (None, "+5", 5),
            (None, "9223372036854775807", 2**63 - 1),
            ("NL", "1.234", 1234),
            ("US", "1,234,567", 1234567),
            ("FR", "1\u202f234", 1234),
            ("CH", "1'234", 1234),
            ("IN", "12,34,567", 1234567),
        ],
    )
    def test_whole_numbers(self, country, cell, value):
        assert converter("integer", country=country)(cell) == value

    @pytest.mark.parametrize(
        ("country", "cell", "value"),
        [
            (None, "1234.50", "1234.5"),
            (None, "-0.0", "0"),
            (None, "007.10", "7.1"),
            ("NL", "1.234,56", "1234.56"),
            ("DE", "-1.234,56", "-1234.56"),
            ("NL", "1234,56", "1234.56"),
            ("NL", "1.234", "1234"),
            ("US", "1,234.56", "1234.56"),
            ("SE", "1 234,5", "1234.5"),
        ],
    )
    def test_decimals_become_one_canonical_spelling(self, country, cell, value):
        assert converter("decimal", country=country)(cell) == value

    @pytest.mark.parametrize(
        ("kind", "country", "cell", "code"),
        [
            ("integer", None, "1.5", "integer_invalid"),
            ("integer", None, "1,234", "integer_invalid"),
            ("integer", None, "1_000", "integer_invalid"),
            ("integer", None, "\u0661\u0662", "integer_invalid"),
            ("integer", None, "9223372036854775808", "integer_too_large"),
            ("integer", None, "9" * 5000, "integer_invalid"),
            ("integer", "NL", "12.34", "integer_invalid"),
            ("decimal", None, "1,5", "decimal_invalid"),
            ("decimal", "NL", "1234.56", "decimal_invalid"),
            ("decimal", "US", "1.234,56", "decimal_invalid"),
            ("decimal", "NL", "1.234 567", "decimal_invalid"),
            ("decimal", None, "1e5", "decimal_invalid"),
            ("decimal", None, "NaN", "decimal_invalid"),
            ("decimal", None, "1" * 39, "decimal_too_long"),
        ],
    )
    def test_what_could_mean_two_things_is_refused(self, kind, country, cell, code):
        assert refusal(converter(kind, country=country), cell).code == code


class TestBooleanAndChoice:
    @pytest.mark.parametrize(
        ("cell", "value"),
        [
            *BOOLEANS.items(),
            ("WAHR", True),
            ("FAŁSZ", False),
            ("ONWAAR", False),
            ("Yes", True),
            (" NEE ", False),
            ("TRUE", True),
        ],
    )
    def test_yes_and_no(self, cell, value):
        assert converter("boolean")(cell) is value

    def test_maybe_is_neither(self):
        assert refusal(converter("boolean"), "maybe").code == "boolean_invalid"

    def test_a_choice_is_stored_as_the_field_spells_it(self):
        size = converter("choice", choices=["Small", "Large", "Größe"])
        assert [size("Small"), size(" large "), size("GRÖSSE"), size("Gro\u0308ße")] == [
            "Small",
            "Large",
            "Größe",
            "Größe",
        ]

    def test_an_unknown_choice_is_told_the_known_ones(self):
        told = refusal(converter("choice", choices=["Small", "Large"]), "medium")
        assert (told.code, "Small, Large" in told.message) == ("choice_unknown", True)

    def test_choices_that_differ_in_case_only_must_be_met_exactly(self):
        convert = converter("choice", choices=["a", "A"])
        assert convert("A") == "A"
        assert refusal(convert, " A ").code == "choice_unknown"

    def test_a_choice_that_is_listed_twice_is_one(self):
        convert = converter("choice", choices=["Gold", "Silver", "Gold"])
        assert convert("gold") == "Gold"
        assert refusal(convert, "tin").message.endswith("Write one of: Gold, Silver.")


class TestUrl:
    url = staticmethod(converter("url"))

    @pytest.mark.parametrize(
        ("cell", "value"),
        [
            ("https://example.com/a?b=c#d", "https://example.com/a?b=c#d"),
            ("HTTP://Example.com", "HTTP://Example.com"),
            (" www.example.com/x ", "https://www.example.com/x"),
            ("example.com:8080/x", "https://example.com:8080/x"),
            ("https://bücher.example.com/ö", "https://bücher.example.com/ö"),
            ("https://[2001:db8::1]/", "https://[2001:db8::1]/"),
        ],
    )
    def test_web_addresses_are_kept_and_bare_hosts_completed(self, cell, value):
        assert self.url(cell) == value

    @pytest.mark.parametrize(
        ("cell", "code"),
        [
            ("javascript:alert(1)", "url_scheme"),
            ("JaVaScRiPt://example.com/%0aalert(1)", "url_scheme"),
            ("data:text/html,hi", "url_scheme"),
            ("ftp://example.com/", "url_scheme"),
            ("https://", "url_invalid"),
            ("https://exa mple.com", "url_invalid"),
            ('https://example.com/"><script>', "url_invalid"),
            ("https://example.com:99999/", "url_invalid"),
            ("not a link", "url_invalid"),
            ("https://example.com/" + "a" * 3000, "too_long"),
            ("java\nscript:alert(1)", "control_character"),
        ],
    )
    def test_what_is_no_web_address_or_would_do_harm_is_refused(self, cell, code):
        assert refusal(self.url, cell).code == code


def test_a_whole_address_in_one_cell_is_kept_with_its_lines():
    assert converter("address")(" Elm Street 1\nSpringfield ") == {"formatted": "Elm Street 1\nSpringfield"}
