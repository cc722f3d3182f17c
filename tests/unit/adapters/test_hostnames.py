"""C2: which hostnames are taken, and which addresses are public."""

from __future__ import annotations

import pytest

from instep.adapters.transport import check_hostname, is_public
from instep.use_cases.errors import ConfigurationError


@pytest.mark.parametrize(
    "text",
    [
        "act.example.org",
        "  ACT.example.org ",
        "https://act.example.org",
        "https://act.example.org/",
        "https://act.example.org:443",
    ],
)
def test_a_root_domain_becomes_its_base_url(text: str) -> None:
    assert check_hostname(text) == "https://act.example.org"


def test_a_base_url_is_its_own() -> None:
    assert check_hostname(check_hostname("org.actionkit.com")) == "https://org.actionkit.com"


NASTY = [
    "",
    " ",
    ".",
    "https://",
    "localhost",
    "act",
    "act.example.org.",
    "act..example.org",
    "-act.example.org",
    "act.example.org:8443",
    "act.example.org:80",
    "act.example.org:",
    "act.example.org:https",
    "act.example.org:99999",
    "act.example.org/rest",
    "https://act.example.org//",
    "https://act.example.org/?",
    "https://act.example.org?x=1",
    "https://act.example.org#x",
    "act.example.org#@evil.example",
    "http://act.example.org",
    "ftp://act.example.org",
    "//act.example.org",
    "https:act.example.org",
    "https:/act.example.org",
    "staff@act.example.org",
    "https://staff:secret@act.example.org",
    "https://act.example.org@10.0.0.1",
    "act.example.org\\@10.0.0.1",
    "act.example.org\n",
    "act.example.org\r\nHost: evil.example",
    "act.exa mple.org",
    "act.example.org%00.evil.example",
    "act%2eexample.org",
    "127.0.0.1",
    "https://127.0.0.1",
    "http://127.0.0.1:8000",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0x7f.0x0.0x0.0x1",
    "0177.0.0.1",
    "169.254.169.254",
    "[::1]",
    "https://[::1]",
    "https://[::ffff:169.254.169.254]",
    "::1",
    "１２７.0.0.1",
    "127。0。0。1",
    "act.example.оrg",  # with a Cyrillic letter
    "a" * 64 + ".example.org",
    ".".join(["label"] * 60) + ".org",
]


@pytest.mark.parametrize("text", NASTY)
@pytest.mark.parametrize("admit_local_hosts", [False, True])
def test_anything_else_is_refused(text: str, admit_local_hosts: bool) -> None:
    if text == "act.example.org\n":
        assert check_hostname(text) == "https://act.example.org"  # pasted with its line end
        return
    if admit_local_hosts and text == "http://127.0.0.1:8000":
        assert check_hostname(text, admit_local_hosts) == text
        return
    with pytest.raises(ConfigurationError) as refused:
        check_hostname(text, admit_local_hosts)
    assert refused.value.code == "hostname_refused"
    assert refused.value.field == "hostname"
    assert refused.value.status == 422


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1",
        "http://127.0.0.1:0",
        "http://127.0.0.1:8000/rest",
        "http://127.0.0.1:8000@evil.example",
        "http://127.0.0.2:8000",
        "http://localhost:8000",
        "https://127.0.0.1:8000",
    ],
)
def test_of_local_hosts_one_form_is_admitted(text: str) -> None:
    with pytest.raises(ConfigurationError):
        check_hostname(text, admit_local_hosts=True)


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:4700::6810:84e5"])
def test_public_addresses(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "169.254.170.2",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.170",
        "192.0.2.1",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "2001:db8::1",
        "2002:a9fe:a9fe::1",
        "2002:7f00:1::",
        "2001:0:a9fe:a9fe::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "not an address",
        "",
    ],
)
def test_addresses_that_nobody_may_be_sent_to(address: str) -> None:
    assert not is_public(address)
