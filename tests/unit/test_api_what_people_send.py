"""What people send and look for as they know it: extensions, values that are no longer offered, names as they say them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.test_api_contacts import add, edit, imported


def extensions(contact):
    return [phone.get("extension") for phone in contact["fields"]["phones"]]


def found(api, query):
    return {contact["fields"]["email"] for contact in api.get(f"/contacts?{query}").json["items"]}


# Extensions


def test_an_extension_is_entered_changed_and_taken_away(api):
    ada = add(api, email="ada@example.com", phones=[{"value": "+31201234567", "extension": "12"}])
    assert extensions(ada) == ["12"]
    assert edit(api, ada, **ada["fields"]) == ada, "what is shown can be sent back"
    [phone] = ada["fields"]["phones"]
    assert extensions(edit(api, ada, phones=[{**phone, "extension": "13"}])) == ["13"]
    assert extensions(edit(api, ada, phone="020 1234567 ext 14")) == ["14"]
    assert extensions(edit(api, ada, phone="+31201234567")) == ["14"], "a primary is shown without"
    assert extensions(edit(api, ada, phones=[{**phone, "extension": None}])) == [None]


@pytest.mark.parametrize("extension", ["", "x", "1 2", 12, "1" * 21])
def test_an_extension_that_nobody_can_dial_is_refused(api, extension):
    fields = {"phones": [{"value": "+31201234567", "extension": extension}]}
    assert api.post("/contacts", {"fields": fields}).pointers == {"/fields/phones/0"}


def test_a_row_that_changes_nothing_but_an_extension_changes_it(api):
    columns = {"email": "email", "phone": "phone", "work": "phones.work", "home": "phones.home"}
    mapping = [{"column": column, "field": field} for column, field in columns.items()]
    for first, second in [("7", "8"), ("8", "7")]:
        primary = f"email,phone\nada@example.com,020 1234567 ext {first}\n"
        imported(api, primary, mapping=mapping[:2])
        labelled = f"email,work,home\nbob@example.com,020 1234567 ext {first},020 1234567 ext {second}\n"
        imported(api, labelled, mapping=[mapping[0], *mapping[2:]])
        [ada] = api.get("/contacts?email=ada@example.com").json["items"]
        [bob] = api.get("/contacts?email=bob@example.com").json["items"]
        assert (extensions(ada), extensions(bob)) == ([first], [first, second])


@pytest.mark.parametrize(
    ("phone", "who"),
    [
        ("020-1234567", {"ada@example.com", "bob@example.com", "cleo@example.com"}),
        ("%2B31201234567", {"ada@example.com", "bob@example.com", "cleo@example.com"}),
        ("020 1234567 ext 12".replace(" ", "%20"), {"ada@example.com"}),
    ],
)
@pytest.mark.parametrize("name", ["phone", "field.phones"])
def test_a_number_finds_all_who_share_the_line(api, name, phone, who):
    for email, number in [
        ("ada", "020 1234567 ext 12"),
        ("bob", "020 1234567 ext 13"),
        ("cleo", "020 1234567"),
    ]:
        add(api, email=f"{email}@example.com", phone=number)
    assert found(api, f"{name}={phone}") == who


# What is stored stays good


def test_a_contact_can_be_sent_back_though_its_choice_or_its_field_has_gone(api):
    tier = {"label": "Tier", "type": "choice", "choices": ["gold", "silver"]}
    api.post("/fields", {"key": "tier", **tier})
    api.post("/fields", {"key": "tiers", "list": True, **tier})
    api.post("/fields", {"key": "sizes", "label": "Sizes", "type": "text", "list": True})
    ada = add(api, email="ada@example.com", tier="gold", tiers=["gold", "silver"], sizes=["7", "9"])
    for key in ("tier", "tiers"):
        assert api.patch(f"/fields/{key}?confirm=true", {"choices": ["silver"]}).status == 200
    assert api.delete("/fields/sizes?confirm=true").status == 204
    named = edit(api, ada, **ada["fields"], name="Ada")
    assert named["fields"] == {**ada["fields"], "name": "Ada"}
    fewer = edit(api, ada, tiers=named["fields"]["tiers"][:1])
    assert [entry["value"] for entry in fewer["fields"]["tiers"]] == ["gold"]
    other = {"tier": "bronze", "tiers": ["gold", "bronze"], "sizes": ["7"]}
    refused = api.patch(f"/contacts/{ada['id']}", {"fields": other})
    assert refused.pointers == {"/fields/tier", "/fields/tiers/1", "/fields/sizes"}


def test_an_address_is_spelled_as_a_person_spells_it_now(api):
    ada = add(api, emails=[{"value": "Ada@example.com", "label": "work"}, "ada@example.org"])
    spelled = edit(api, ada, email="ada@example.com")
    assert [(entry["value"], entry["label"]) for entry in spelled["fields"]["emails"]] == [
        ("ada@example.com", "work"), ("ada@example.org", None),
    ]  # fmt: skip
    assert found(api, "email=ADA@example.com") == {"ada@example.com"}


# Looking for people


@pytest.mark.parametrize(
    ("name", "who"),
    [
        ("ada%20king", {"ada@example.com"}),
        ("King,%20Ada", {"ada@example.com"}),
        ("ada%20muller", set()),
        ("jose", {"jose@example.com"}),
        ("JOS%C3%89%20%20M%C3%BCller", {"jose@example.com"}),
        ("ren%C3%A9", {"rene@example.com"}),
    ],
)
def test_a_name_is_found_as_people_say_it(api, name, who):
    add(api, email="ada@example.com", given_name="Ada", middle_name="Augusta", family_name="King")
    add(api, email="jose@example.com", name="José Müller")
    add(api, email="rene@example.com", name="Rene")
    assert found(api, f"name={name}") == who


def test_nobody_is_found_in_a_segment_that_was_taken_away(api):
    segment = api.post("/segments", {"name": "Fair"}).json["id"]
    ada = add(api, email="ada@example.com")
    api.put(f"/segments/{segment}/contacts/{ada['id']}")
    assert found(api, f"segment={segment}") == {"ada@example.com"}
    assert api.delete(f"/segments/{segment}").status == 204
    assert found(api, f"segment={segment}") == set()


# A list and its first value, which are shown both


LISTS: dict[str, list[Any]] = {
    "emails": ["ada@example.com", "ada@example.org", "king@example.com"],
    "phones": ["+31201234567", "+31201234568", "+31201234569"],
    "addresses": [{"city": "Delft"}, {"city": "Leiden"}, {"city": "Breda"}],
    "urls": ["https://ada.example", "https://king.example", "https://byron.example"],
}
FIRST = {"emails": "email", "phones": "phone", "addresses": "address", "urls": "url"}


def listed(contact, plural):
    return [entry["value"] for entry in contact["fields"].get(plural, ())]


@pytest.mark.parametrize("plural", LISTS)
def test_whoever_sends_back_all_that_was_shown_with_one_list_changed_has_changed_it(api, plural):
    """A form binds the list, and sends its first value along as it was."""
    one, two, three = LISTS[plural]
    ada = add(api, name="Ada", **{plural: [one, two]})
    for after in ([three, two], [two], [two, one], []):
        shown = api.get(f"/contacts/{ada['id']}").json["fields"]
        changed = edit(api, ada, **{**shown, plural: after})
        assert listed(changed, plural) == after
        assert changed["fields"].get(FIRST[plural]) == (after[0] if after else None)
        edit(api, ada, **{plural: [one, two]})


@pytest.mark.parametrize("plural", LISTS)
def test_whoever_sends_back_all_that_was_shown_with_the_primary_changed_has_changed_it(api, plural):
    one, two, three = LISTS[plural]
    ada = add(api, name="Ada", **{plural: [one, two]})
    changed = edit(api, ada, **{**ada["fields"], FIRST[plural]: three})
    assert listed(changed, plural) == [three, two]


@pytest.mark.parametrize("plural", LISTS)
def test_a_primary_that_is_none_takes_nothing_from_a_new_contact_s_list(api, plural):
    """Clients that are made from a document send null for what they do not know."""
    ada = add(api, name="Ada", **{plural: LISTS[plural][:2], FIRST[plural]: None})
    assert listed(ada, plural) == LISTS[plural][:2]


@pytest.mark.parametrize("plural", LISTS)
def test_a_list_and_a_primary_that_contradict_each_other_are_refused(api, plural):
    one, two, three = LISTS[plural]
    primary = FIRST[plural]
    for other in (two, three):
        fields = {plural: [one, two], primary: other}
        assert api.post("/contacts", {"fields": fields}).pointers == {f"/fields/{primary}"}
    ada = add(api, name="Ada", **{plural: [one], primary: one})
    for fields in ({plural: [one, two], primary: three}, {plural: [two], primary: None}):
        refused = api.patch(f"/contacts/{ada['id']}", {"fields": fields})
        assert refused.pointers == {f"/fields/{primary}"}
    assert api.get(f"/contacts/{ada['id']}").json == ada
