"""Which addresses a crawler may reach: every network that a registry sets apart is refused, at both of its ends."""

from __future__ import annotations

import ipaddress

import pytest

from ingestion.knowledge.internet import SPECIAL_4, SPECIAL_6, is_public


@pytest.mark.parametrize("network", [network for network, _ in SPECIAL_4 + SPECIAL_6])
def test_a_special_network_is_refused_from_its_first_to_its_last_address(network: str) -> None:
    found = ipaddress.ip_network(network)
    assert not is_public(found[0])
    assert not is_public(found[-1])


@pytest.mark.parametrize(
    "address",
    [
        "127.8.9.10", "172.31.255.255", "169.254.169.254", "192.0.0.8", "192.0.0.170", "192.0.0.9", "255.255.255.255", "fec0::1",
        "3fff:fff::1", "5f00::1", "64:ff9b:1::808:808", "2001:10::1", "2001:20::1", "fd12:3456::1", "4000::1", "200::1", "fe00::1",
        # An IPv4 address inside, also a public one: nobody's site is reached that way.
        "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::8.8.8.8", "::ffff:0:808:808", "2002:7f00:1::", "2002:808:808::", "2001:0:808:808::1",
        "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b::a9fe:a9fe", "64:ff9b::c000:8",
    ],
)  # fmt: skip
def test_an_address_inside_of_a_network_is_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1", "93.184.216.34", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0",
        "192.0.1.1", "192.0.3.1", "198.17.255.255", "198.20.0.0", "223.255.255.255", "2606:4700::1111", "2001:200::1", "2003::1",
        "2400:cb00::1", "2620:4f:8001::1", "64:ff9b::101:101",
    ],
)  # fmt: skip
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))
