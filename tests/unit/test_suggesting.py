"""Which field a column most likely belongs to."""

import csv

import pytest

from contactsync.core import synonyms
from contactsync.core.mapping import resolve_mapping
from contactsync.core.suggesting import MISSPELT, Suggestion, suggest
from contactsync.model.field import STANDARD_FIELDS, FieldSpec
from tests.support.corpus import corpus


def fields(header: str, *samples: list[str]) -> list[str | None]:
    return [suggestion.field if suggestion else None for suggestion in suggest(header.split(","), samples)]


def address(label: str) -> dict[str, str]:
    """How Outlook spells one of its addresses."""
    known = {"Business": "work", "Home": "home", "Other": "other"}[label]
    parts = {"Address": "formatted", "Street": "street", "Street 2": "extended", "Address PO Box": "po_box"}
    parts |= {"City": "city", "State": "region", "Postal Code": "postal_code", "Country": "country"}
    return {f"{label} {name}": f"addresses.{known}.{part}" for name, part in parts.items()}


NAMES = {
    "First Name": "given_name", "Middle Name": "middle_name", "Last Name": "family_name", "Suffix": "suffix",
    "Name": "name", "Given Name": "given_name", "Additional Name": "middle_name", "Family Name": "family_name",
    "Name Prefix": "prefix", "Name Suffix": "suffix", "Nickname": "nickname",
    "Birthday": "birthday", "Notes": "notes", "Photo": "photo",
}  # fmt: skip
GOOGLE = NAMES | {
    "Organization Name": "organization", "Organization Title": "job_title", "Organization Department": "department",
    "Organization 1 - Name": "organization", "Organization 1 - Title": "job_title",
    "Organization 1 - Department": "department", "Website 1 - Value": "url",
    "E-mail 1 - Value": "email", "E-mail 2 - Value": "emails", "E-mail 3 - Value": "emails", "E-mail 4 - Value": "emails",
    "Phone 1 - Value": "phone", "Phone 2 - Value": "phones", "Phone 3 - Value": "phones",
    "Address 1 - Formatted": "address.formatted", "Address 1 - Street": "address.street",
    "Address 1 - City": "address.city", "Address 1 - PO Box": "address.po_box", "Address 1 - Region": "address.region",
    "Address 1 - Postal Code": "address.postal_code", "Address 1 - Country": "address.country",
    "Address 1 - Extended Address": "address.extended",
}  # fmt: skip
OUTLOOK = NAMES | address("Business") | address("Home") | address("Other") | {
    "Title": "prefix", "Company": "organization", "Department": "department", "Job Title": "job_title",
    "Web Page": "url", "E-mail Address": "email", "E-mail 2 Address": "emails", "E-mail 3 Address": "emails",
    "Business Phone": "phones.work", "Business Phone 2": "phones.work", "Business Fax": "phones.work fax",
    "Home Phone": "phones.home", "Home Phone 2": "phones.home", "Home Fax": "phones.home fax",
    "Other Phone": "phones.other", "Other Fax": "phones.other fax", "Mobile Phone": "phones.mobile",
    "Car Phone": "phones.car", "Company Main Phone": "phones.company", "Pager": "phones.pager",
    "Primary Phone": "phones.main", "Radio Phone": "phones.radio", "TTY/TDD Phone": "phones.tty",
}  # fmt: skip
LINKEDIN = NAMES | {
    "URL": "url",
    "Email Address": "email",
    "Company": "organization",
    "Position": "job_title",
}


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("google-new-2024", GOOGLE),
        ("google-old", GOOGLE),
        ("outlook-desktop-92", OUTLOOK),
        ("outlook-live-com", OUTLOOK),
        ("outlook-via-google", OUTLOOK),
        ("linkedin-connections", LINKEDIN),
    ],
)
def test_the_exports_of_the_great_programs_are_all_right(file, expected):
    header = next(csv.reader(corpus(f"headers/{file}.csv").read_text("utf-8").splitlines()))
    told = {
        name: suggestion.field for name, suggestion in zip(header, suggest(header), strict=True) if suggestion
    }
    assert told == {name: field for name, field in expected.items() if name in header}


@pytest.mark.parametrize(
    "file", ["google-new-2024", "google-old", "outlook-desktop-92", "outlook-via-google"]
)
def test_what_is_suggested_can_be_mapped_as_it_is(file):
    header = next(csv.reader(corpus(f"headers/{file}.csv").read_text("utf-8").splitlines()))
    mapping = [{"column": n, "field": one.field} for n, one in enumerate(suggest(header)) if one]
    assert resolve_mapping(mapping, header, STANDARD_FIELDS, identity_field="email")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Voornaam,Tussenvoegsel,Achternaam,E-mailadres,Telefoonnummer,Mobiel,Geboortedatum,Bedrijf,Functie,Postcode,Woonplaats,Land,Opmerkingen",
         "given_name,middle_name,family_name,email,phone,phones.mobile,birthday,organization,job_title,address.postal_code,address.city,address.country,notes"),
        ("Anrede,Vorname,Nachname,E-Mail,Telefon,Handy,Geburtsdatum,Firma,Abteilung,Straße,PLZ,Ort,Land,Bemerkung",
         "prefix,given_name,family_name,email,phone,phones.mobile,birthday,organization,department,address.street,address.postal_code,address.city,address.country,notes"),
        ("Prénom,Nom,Adresse e-mail,Téléphone,Portable,Date de naissance,Société,Fonction,Rue,Code postal,Ville,Pays,Remarques",
         "given_name,family_name,email,phone,phones.mobile,birthday,organization,job_title,address.street,address.postal_code,address.city,address.country,notes"),
        ("Nombre,Apellidos,Correo electrónico,Teléfono,Móvil,Fecha de nacimiento,Empresa,Cargo,Calle,Código postal,Ciudad,País,Notas",
         "given_name,family_name,email,phone,phones.mobile,birthday,organization,job_title,address.street,address.postal_code,address.city,address.country,notes"),
        ("Nome,Cognome,Indirizzo email,Telefono,Cellulare,Data di nascita,Azienda,Ruolo,Via,CAP,Città,Paese",
         "given_name,family_name,email,phone,phones.mobile,birthday,organization,job_title,address.street,address.postal_code,address.city,address.country"),
        ("Nome,Sobrenome,E-mail,Telefone,Celular,Data de nascimento,Empresa,Rua,Cidade",
         "given_name,family_name,email,phone,phones.mobile,birthday,organization,address.street,address.city"),
        ("Imię,Nazwisko,Adres e-mail,Numer telefonu,Data urodzenia,Firma,Stanowisko,Ulica,Kod pocztowy,Miasto",
         "given_name,family_name,email,phone,birthday,organization,job_title,address.street,address.postal_code,address.city"),
        ("Förnamn,Efternamn,E-post,Telefonnummer,Mobilnummer,Företag,Postnummer,Postort",
         "given_name,family_name,email,phone,phones.mobile,organization,address.postal_code,address.city"),
        ("Имя,Фамилия,Электронная почта,Телефон,Дата рождения,Компания",
         "given_name,family_name,email,phone,birthday,organization"),
        ("Όνομα,Επώνυμο,Τηλέφωνο,Κινητό,Πόλη", "given_name,family_name,phone,phones.mobile,address.city"),
    ],
)  # fmt: skip
def test_the_main_languages_of_europe(header, expected):
    assert fields(header) == expected.split(",")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("emial", "email"), ("E-Mail Adress", "email"), ("Fistname", "given_name"), ("lastnmae", "family_name"),
        ("Telefonnumer", "phone"), ("Compagny", "organization"), ("Birtday", "birthday"), ("Vornname", "given_name"),
    ],
)  # fmt: skip
def test_a_typing_error_is_forgiven_and_lowers_the_confidence(header, expected):
    assert suggest([header]) == [Suggestion(expected, MISSPELT)]


@pytest.mark.parametrize(
    "header",
    ["", "x", "IBAN", "Points", "Created at", "Email opt-in", "E-mail type", "Manager's name", "Tail", "???"],
)
def test_what_is_unknown_or_about_something_else_gets_no_suggestion(header):
    assert suggest([header]) == [None]


@pytest.mark.parametrize(
    "header",
    ["Last Contact", "First customer", "Company Contact", "Organization Number", "Street number", "Job Number", "Last Value",
     "PESEL", "REGON", "Stage", "Contract", "Employee", "Page", "Count", "Person Count"],
)  # fmt: skip
def test_what_is_named_nearly_like_a_field_is_none(header):
    assert suggest([header]) == [None]


def test_whose_a_value_is_may_stand_before_or_behind():
    assert fields("E-Mail Kunde,Telefoon klant,Customer phone number") == ["email", "phone", "phones"]
    assert fields("Customer first") == fields("Prénom client") == ["given_name"]


@pytest.mark.parametrize("number", ["2", "02", "3"])
def test_a_number_behind_the_word_address_counts_addresses(number):
    label = str(int(number))
    assert fields(f"Address {number} - Street,Address {number} - City") == [
        f"addresses.{label}.street",
        f"addresses.{label}.city",
    ]
    assert fields("Address Street 2,Business Street 2") == ["address.extended", "addresses.work.extended"]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Adresse de messagerie,Adresse de messagerie 2,Télécopie (bureau),Pays/Région (bureau),Page Web",
         "email,emails,phones.work fax,addresses.work.country,url"),
        ("Werkadres straat,Werkadres 2 straat,Huisadres plaats,Telefoon op werk,Hoofdtelefoon,Webpagina",
         "addresses.work.street,addresses.work.extended,addresses.home.city,phones.work,phones.main,url"),
        ("Indirizzo posta elettronica,Via (uff.),CAP (ab.),Fax (uff.)",
         "email,addresses.work.street,addresses.home.postal_code,phones.work fax"),
        ("Calle del trabajo,Ciudad de residencia,Teléfono 2 del trabajo,Número de móvil",
         "addresses.work.street,addresses.home.city,phones.work,phones.mobile"),
        ("Land/Region geschäftlich,Weiterer Ort,Weiteres Telefon,Haupttelefon",
         "addresses.work.country,addresses.other.city,phones.other,phones.main"),
        ("Mailing Street,Mailing State/Province,MailingPostalCode",
         "address.street,address.region,address.postal_code"),
        ("Primary Email,Secondary Email,Alternate Address Street,Primäre E-Mail-Adresse,Mobiltelefonnummer",
         "email,emails.other,addresses.other.street,emails,phones.mobile"),
    ],
)  # fmt: skip
def test_what_outlook_and_salesforce_say_in_the_main_languages(header, expected):
    assert fields(header) == expected.split(",")


def test_the_day_of_a_birthday_in_three_columns_is_no_birthday():
    assert fields("Birth Day", ["17", "3"]) == [None]
    assert fields("Birthday", ["17.05.", "1980"]) == ["birthday"]


def test_a_footnote_beside_a_name_is_no_number():
    """Python calls "¹" a digit, and reads no number from it."""
    assert fields("Phone ¹,Email ²") == ["phone", "email"]
    assert suggest(["¹"]) == [None]


def test_words_beside_a_name_give_the_label_or_nothing():
    assert fields("Work Email,Email (private),customer_email") == ["emails.work", "emails.home", "email"]
    assert fields("Telefoon zakelijk,Telefoon privé,Telefoon") == ["phones.work", "phones.home", "phone"]
    assert fields("firstName,last_name,E-MAIL") == ["given_name", "family_name", "email"]


def test_neighbours_decide_what_a_name_alone_does_not():
    assert fields("Name,Email") == ["name", "email"]
    assert fields("Name,Vorname") == ["family_name", "given_name"]
    assert fields("Name,First name,Last name") == ["name", "given_name", "family_name"]


def test_values_decide_what_a_title_is():
    assert fields("Title", ["Mr", "Dr. h.c.", "Mrs"]) == ["prefix"]
    assert fields("Title", ["Sales manager", "Owner"]) == ["job_title"]
    assert fields("Title,Job title") == ["prefix", "job_title"]


def test_values_can_contradict_a_name_and_speak_for_a_nameless_column():
    assert fields("Mail", ["Elm Street 1", "Oak Lane 2"]) == [None]
    assert fields(",", ["ada@example.com", " bob@example.org"], ["+31 6 12345678"]) == ["email", "phone"]
    assert fields(",", ["ada@example.com", "bob"], []) == [None, None]


def test_a_field_is_suggested_once_and_lists_take_the_rest():
    assert fields("Email,E-mail,Mail") == ["email", "emails", "emails"]
    assert fields("City,Town") == ["address.city", None]
    assert fields("emial,Email") == ["emails", "email"]


def test_an_accounts_own_fields_are_met_by_key_and_label():
    own = STANDARD_FIELDS | {"loyalty": FieldSpec(key="loyalty", label="Loyalty points", type="integer")}
    assert suggest(["Loyalty Points", "LOYALTY"], fields=own)[0] == Suggestion("loyalty", 1.0)


def test_no_name_stands_for_two_fields():
    named = [
        (name.strip().casefold(), field)
        for field, names in synonyms.NAMES.items()
        for name in names.split(",")
    ]
    by_name: dict[str, set[str]] = {}
    for name, field in named:
        by_name.setdefault(name, set()).add(field)
    assert {name: found for name, found in by_name.items() if len(found) > 1} == {}


def test_a_header_of_a_thousand_long_names_takes_no_time():
    import time

    start = time.process_time()
    suggest(["unheard of column name " * 40] * 1000)
    assert time.process_time() - start < 1
