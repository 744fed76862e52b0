"""Secrets at rest."""

from __future__ import annotations

import pytest

from core.derivation import derive_key
from core.errors import Misconfigured
from runtime.vault import Vault

OLD, NEW = b"o" * 32, b"n" * 32
HERE = b"organization/row"


def test_what_was_sealed_opens_and_never_looks_the_same_twice() -> None:
    vault = Vault([NEW])
    first, second = (vault.encrypt("webhook", b"whsec_x", HERE) for _ in range(2))
    assert first != second
    assert b"whsec_x" not in first
    assert vault.decrypt("webhook", first, HERE) == vault.decrypt("webhook", second, HERE)
    assert vault.decrypt("webhook", first, HERE) == b"whsec_x"


def test_a_previous_key_opens_and_the_newest_seals() -> None:
    sealed = Vault([OLD]).encrypt("webhook", b"secret", HERE)
    rotated = Vault([NEW, OLD])
    assert rotated.decrypt("webhook", sealed, HERE) == b"secret"
    assert Vault([NEW]).decrypt("webhook", rotated.encrypt("webhook", b"s", HERE), HERE) == b"s"
    with pytest.raises(Misconfigured):
        Vault([NEW]).decrypt("webhook", sealed, HERE)


@pytest.mark.parametrize(
    ("purpose", "associated"), [("sso", HERE), ("webhook", b"organization/other")]
)
def test_a_sealed_value_opens_for_no_other_purpose_or_place(
    purpose: str, associated: bytes
) -> None:
    vault = Vault([NEW])
    with pytest.raises(Misconfigured):
        vault.decrypt(purpose, vault.encrypt("webhook", b"secret", HERE), associated)


def test_a_sealed_value_that_was_changed_or_cut_does_not_open() -> None:
    vault = Vault([NEW])
    sealed = vault.encrypt("webhook", b"secret", HERE)
    for at in range(len(sealed)):
        flipped = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
        for broken in (flipped, sealed[:at]):
            with pytest.raises(Misconfigured):
                vault.decrypt("webhook", broken, HERE)


def test_every_purpose_has_a_key_of_its_own() -> None:
    assert derive_key(NEW, "a") != derive_key(NEW, "b")
    assert len(derive_key(NEW, "a")) == 32
