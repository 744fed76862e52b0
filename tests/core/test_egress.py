"""Which addresses and URLs a tenant may make us call."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.egress import EgressPolicy, is_public
from core.errors import InvalidInput

PUBLIC = ["8.8.8.8", "1.1.1.1", "151.101.1.140", "2606:4700:4700::1111", "2a00:1450:4001:80b::200e"]
PRIVATE = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200",
    "127.0.0.1", "127.255.255.254", "169.254.169.254", "169.254.170.2", "172.16.0.1",
    "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1",
    "198.51.100.7", "203.0.113.7", "224.0.0.1", "239.255.255.255", "240.0.0.1",
    "255.255.255.255", "168.63.129.16",
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:8.8.8.8",
    "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::a00:1", "100::1", "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:2::1", "2001:10::1", "2001:20::1",
    "2001:db8::1", "2002:7f00:1::", "2002:808:808::1", "3fff::1", "5f00::1", "fc00::1",
    "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_addresses_of_the_internet_may_be_called(address: str) -> None:
    assert EgressPolicy().allows(address)


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_that_only_we_can_reach_may_not(address: str) -> None:
    assert not EgressPolicy().allows(address)
    assert EgressPolicy(allow_private=True).allows(address)


@pytest.mark.parametrize("text", ["", "localhost", "1", "0x7f.1", "127.1", "8.8.8.8:443", "[::1]"])
def test_what_is_no_address_may_not_be_connected_to(text: str) -> None:
    assert not EgressPolicy().allows(text)


@given(st.ip_addresses(v=4))
def test_no_ipv4_address_is_public_that_python_calls_private(address) -> None:
    if not address.is_global or address.is_multicast:
        assert not is_public(address)


@given(st.ip_addresses(v=4))
def test_no_form_of_ipv6_carries_an_ipv4_address(address) -> None:
    number = int(address)
    for prefix in ("::", "::ffff:0:0", "64:ff9b::", "64:ff9b:1::", "::ffff:0:0:0"):
        assert not is_public(ipaddress.IPv6Address(int(ipaddress.IPv6Address(prefix)) | number))
    sixtofour = ipaddress.IPv6Address((0x2002 << 112) | (number << 80) | 1)
    assert not is_public(sixtofour)


@pytest.mark.parametrize(
    "url",
    ["https://example.org/hook", "https://example.org:8443/a?b=c", "https://8.8.8.8/",
     "https://[2606:4700:4700::1111]/x", "https://xn--bcher-kva.example/",
     "https://hooks_1.example.org./"],
)  # fmt: skip
def test_a_public_https_url_is_taken(url: str) -> None:
    EgressPolicy().require_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/", "ftp://example.org/", "file:///etc/passwd", "example.org", "",
        "https://", "https:///x", "https://example.org:22/", "https://example.org:80/",
        "https://user@example.org/", "https://user:pass@example.org/", "https://@example.org/",
        "https://example.org/#part", "https://127.0.0.1/", "https://2130706433/",
        "https://0x7f.1/", "https://127.1/", "https://[::1]/", "https://[::ffff:10.0.0.1]/",
        "https://169.254.169.254/latest/meta-data/", "https://169.254.169.254./",
        "https://exa mple.org/", "https://bücher.example/", "https://example.org:99999/",
        "https://example.org\\@127.0.0.1/", "https://example.org/\n", "https://[::1/",
        "https://example.org/" + "a" * 2000, "https://example.org:0/", "https://.example.org/",
        "https://example..org/", "https://-/", "https://example-.org/", "https://exa%6dple.org/",
    ],
)  # fmt: skip
def test_a_url_that_can_never_be_called_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        EgressPolicy().require_url(url)
    assert "127" not in refused.value.message
    assert "example" not in refused.value.message


def test_a_development_deployment_may_call_itself() -> None:
    policy = EgressPolicy(allow_private=True)
    policy.require_url("http://127.0.0.1:9000/hook")
    with pytest.raises(InvalidInput):
        policy.require_url("ftp://127.0.0.1/")
