"""Keys: every wrong one is one clear error, and none is ever shown."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.common.errors import ConfigError, CredentialError
from adapters.kalshi.config import KalshiExecClientConfig, environment, trading_environment
from adapters.kalshi.credentials import load_credential

PLAIN = ser.NoEncryption()
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: object, form: ser.PrivateFormat = ser.PrivateFormat.PKCS8, how=PLAIN) -> bytes:
    return key.private_bytes(ser.Encoding.PEM, form, how)


GOOD = {
    "ed25519": (pem(Ed25519PrivateKey.generate()), "ed25519"),
    "rsa pkcs8": (pem(RSA), "rsa"),
    "rsa pkcs1": (pem(RSA, ser.PrivateFormat.TraditionalOpenSSL), "rsa"),
}
BAD = {
    "empty": (b"", "no readable private key"),
    "text": (b"hello", "no readable private key"),
    "public": (
        RSA.public_key().public_bytes(ser.Encoding.PEM, ser.PublicFormat.SubjectPublicKeyInfo),
        "found a public key",
    ),
    "encrypted": (pem(RSA, how=ser.BestAvailableEncryption(b"secret")), "encrypted"),
    "curve": (pem(ec.generate_private_key(ec.SECP256R1())), "found a key of type"),
    "short": (pem(rsa.generate_private_key(public_exponent=65537, key_size=1024)), "1024 bits"),
}


@pytest.mark.parametrize("name", GOOD)
def test_every_documented_key_loads(tmp_path: Path, name: str) -> None:
    text, kind = GOOD[name]
    path = tmp_path / "key.pem"
    path.write_bytes(text)
    assert load_credential("demo", key_id="k", private_key_path=str(path), env={}).key_type == kind


@pytest.mark.parametrize("name", BAD)
def test_a_wrong_key_is_one_clear_error(tmp_path: Path, name: str) -> None:
    text, says = BAD[name]
    path = tmp_path / "key.pem"
    path.write_bytes(text)
    with pytest.raises(CredentialError, match=says) as error:
        load_credential("demo", key_id="k", private_key_path=str(path), env={})
    assert str(path) in str(error.value)
    assert "allowed" in str(error.value)


def test_a_missing_file_names_itself_and_the_setting(tmp_path: Path) -> None:
    with pytest.raises(CredentialError, match=r"private_key_path: cannot read .*nowhere"):
        load_credential("demo", key_id="k", private_key_path=str(tmp_path / "nowhere"), env={})


def test_nothing_set_names_the_variable_of_the_environment() -> None:
    with pytest.raises(CredentialError, match="KALSHI_DEMO_KEY_ID"):
        load_credential("demo", env={})
    with pytest.raises(CredentialError, match="KALSHI_PRIVATE_KEY_PATH"):
        load_credential("production", env={"KALSHI_KEY_ID": "k"})


def test_demo_never_reads_productions_key() -> None:
    text = GOOD["ed25519"][0].decode()
    with pytest.raises(CredentialError):
        load_credential("demo", env={"KALSHI_KEY_ID": "k", "KALSHI_PRIVATE_KEY": text})


def test_a_key_in_a_variable_may_have_escaped_line_ends() -> None:
    text = GOOD["ed25519"][0].decode().replace("\n", "\\n")
    env = {"KALSHI_DEMO_KEY_ID": "k", "KALSHI_DEMO_PRIVATE_KEY": text}
    assert load_credential("demo", env=env).key_type == "ed25519"


def test_no_text_of_a_credential_shows_it() -> None:
    text = GOOD["rsa pkcs8"][0].decode()
    env = {"KALSHI_DEMO_KEY_ID": "0123456789abcdef", "KALSHI_DEMO_PRIVATE_KEY": text}
    credential = load_credential("demo", env=env)
    shown = f"{credential!r} {credential} {[credential]} {vars(type(credential))}"
    assert "0123456789" not in shown
    assert text[40:80] not in shown
    with pytest.raises(CredentialError):
        pickle.dumps(credential)


def test_a_wrong_environment_names_the_right_ones() -> None:
    with pytest.raises(
        ConfigError, match=r"environment: found 'prod', allowed: demo or production"
    ):
        environment("prod")


@pytest.mark.parametrize("armed", [False, True])
def test_production_is_refused_in_a_plain_sentence(armed: bool) -> None:
    with pytest.raises(ConfigError, match="sends no order to production"):
        trading_environment(KalshiExecClientConfig(environment="production", armed=armed))


@pytest.mark.parametrize(
    "settings",
    [{"stp_type": "none"}, {"subaccount": 64}, {"subaccount": -1}, {"reconcile_interval_s": 0.0}],
)
def test_a_wrong_setting_names_itself(settings: dict) -> None:
    with pytest.raises(ConfigError, match=next(iter(settings))):
        trading_environment(KalshiExecClientConfig(**settings))
