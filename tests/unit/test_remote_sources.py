"""Requests for remote sources: what is accepted, what is kept secret, and what is made of them."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from contactsync.errors import UnreadableFile
from contactsync.model.source import joined, public, remote_source, secrets
from contactsync.sources.net import Guard
from contactsync.sources.opening import source_of

SECRET = "s3cret-canary"

REQUESTS = [
    {"kind": "http", "url": "https://files.example.com/contacts.csv"},
    {"kind": "http", "url": f"https://files.example.com/contacts.csv?sig={SECRET}&x=%20"},
    {
        "kind": "http",
        "url": "http://h.example.com/",
        "auth": {"kind": "basic", "username": "ann", "password": SECRET},
    },
    {"kind": "http", "url": "http://h.example.com/", "auth": {"kind": "bearer", "token": SECRET}},
    {
        "kind": "http",
        "url": "http://h.example.com/",
        "auth": {"kind": "header", "name": "X-Api-Key", "value": SECRET},
    },
    {"kind": "ftp", "url": "ftp://files.example.com/in/*.csv"},
    {"kind": "ftp", "url": "ftps://files.example.com/in/a.csv", "username": "ann", "password": SECRET},
    {
        "kind": "ftp",
        "url": "sftp://files.example.com/a.csv",
        "username": "ann",
        "private_key": f"-----BEGIN\n{SECRET}",
    },
    {"kind": "s3", "bucket": "customer", "key": "in/*.csv"},
    {
        "kind": "s3",
        "bucket": "customer",
        "key": "a.csv",
        "role_arn": "arn:aws:iam::123456789012:role/in/reader",
    },
]


@pytest.mark.parametrize("request_", REQUESTS)
def test_secrets_are_taken_out_and_put_back(request_):
    source = remote_source().validate_python(request_)
    shown, secret = public(source), secrets(source)
    assert SECRET not in str(shown)
    assert (SECRET in str(secret)) == (SECRET in str(request_))
    assert joined(shown, secret) == source
    assert SECRET not in repr(source)


@pytest.mark.parametrize("request_", REQUESTS)
def test_each_request_has_a_source_that_shows_no_secret(request_):
    source = source_of(
        remote_source().validate_python(request_), guard=Guard(), reader_role="arn:aws:iam::1:role/ours"
    )
    assert SECRET not in repr(source)


def test_a_bucket_needs_a_role():
    with pytest.raises(UnreadableFile) as caught:
        source_of(
            remote_source().validate_python({"kind": "s3", "bucket": "customer", "key": "a.csv"}),
            guard=Guard(),
        )
    assert caught.value.code == "role_needed"


@pytest.mark.parametrize(
    "request_",
    [
        {"kind": "http", "url": "ftp://files.example.com/"},
        {"kind": "http", "url": f"http://ann:{SECRET}@files.example.com/"},
        {"kind": "http", "url": f"http://files.example.com/?k={SECRET}\r\nX: y"},
        {"kind": "http", "url": f"http:files.example.com/{SECRET}"},
        {"kind": "http", "url": "http://"},
        {
            "kind": "http",
            "url": "http://h.example.com/",
            "auth": {"kind": "bearer", "token": f"{SECRET}\r\nX: y"},
        },
        {
            "kind": "http",
            "url": "http://h.example.com/",
            "auth": {"kind": "header", "name": "Host", "value": SECRET},
        },
        {
            "kind": "http",
            "url": "http://h.example.com/",
            "auth": {"kind": "header", "name": "X Y", "value": SECRET},
        },
        {
            "kind": "http",
            "url": "http://h.example.com/",
            "auth": {"kind": "header", "name": "X", "value": f"{SECRET}\n"},
        },
        {"kind": "http", "url": "http://h.example.com/", "auth": {"kind": "digest", "password": SECRET}},
        {"kind": "ftp", "url": "http://files.example.com/"},
        {"kind": "ftp", "url": "ftp://files.example.com/a", "username": f"{SECRET}\r\nDELE b"},
        {"kind": "ftp", "url": "ftp://files.example.com/a", "private_key": SECRET},
        {"kind": "ftp", "url": "sftp://files.example.com/a", "password": SECRET},
        {"kind": "s3", "bucket": "arn:aws:s3:eu-west-1:1:accesspoint/x", "key": "a"},
        {"kind": "s3", "bucket": "a/../b", "key": "a"},
        {"kind": "s3", "bucket": "customer", "key": ""},
        {"kind": "s3", "bucket": "customer", "key": "a", "role_arn": "https://files.example.com/"},
        {"kind": "file", "url": "file:///etc/passwd"},
    ],
)
def test_what_cannot_be_meant_is_refused_without_repeating_it(request_):
    with pytest.raises(ValidationError) as caught:
        remote_source().validate_python(request_)
    assert SECRET not in str(caught.value)
    assert not [problem for problem in caught.value.errors() if SECRET in problem["msg"]]


def test_nothing_slow_is_imported_before_a_file_is_opened():
    names = "choosing ftp net opening place s3 sftp stored transfer web"
    slow = "boto3 botocore certifi cryptography idna paramiko requests urllib3"
    code = (
        "import importlib, sys\n"
        f"for name in {names!r}.split(): importlib.import_module(f'contactsync.sources.{{name}}')\n"
        f"print(*(name for name in {slow!r}.split() if name in sys.modules))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == ""
