"""Currencies as people write them → ISO 4217 codes.

A symbol that several countries use is read by region, and otherwise refused: never a guess.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from core.normal_form import normal
from core.short_cache import short_cache


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Active ISO 4217 alphabetic codes (List One, 2025), without funds, metals and test codes, plus
# the three that were replaced since 2022 and still stand in ledgers (BGN, HRK, SLL).
ISO_4217 = _words(
    """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP
    BYN BZD CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP
    GEL GHS GIP GMD GNF GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS
    KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR
    MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF
    SAR SBD SCR SDG SEK SGD SHP SLE SLL SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD
    TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG
    """
)

# Codes that are read in small letters too. The others (ALL, TOP, TRY, MAD, …) are words.
_ANY_CASE = _words(
    "AED AUD BRL CAD CHF CNY CZK DKK EUR GBP HKD HUF ILS INR JPY KRW MXN NOK NZD PLN RUB SEK SGD "
    "THB UAH USD ZAR"
)

_DOLLAR = {
    "US": "USD", "PR": "USD", "GU": "USD", "VI": "USD", "AS": "USD", "MP": "USD", "EC": "USD",
    "SV": "USD", "PA": "USD", "CA": "CAD", "AU": "AUD", "NZ": "NZD", "HK": "HKD", "SG": "SGD",
    "TW": "TWD", "MX": "MXN", "AR": "ARS", "CL": "CLP", "CO": "COP", "JM": "JMD", "TT": "TTD",
    "BB": "BBD", "BS": "BSD", "BZ": "BZD", "FJ": "FJD", "NA": "NAD", "GY": "GYD",
}  # fmt: skip
_KRONE = {"DK": "DKK", "NO": "NOK", "SE": "SEK", "IS": "ISK", "FO": "DKK", "GL": "DKK"}
_YEN = {"JP": "JPY", "CN": "CNY"}
_RUPEE = {"IN": "INR", "PK": "PKR", "LK": "LKR", "NP": "NPR", "MU": "MUR"}
_PESO = {"MX": "MXN", "AR": "ARS", "CL": "CLP", "CO": "COP", "UY": "UYU", "PH": "PHP",
         "DO": "DOP", "CU": "CUP"}  # fmt: skip
_POUND = {"GB": "GBP", "GG": "GBP", "JE": "GBP", "IM": "GBP", "EG": "EGP", "LB": "LBP"}

# The sign or word → the code, or the region's choice.
_SIGNS: dict[str, str | dict[str, str]] = {
    "€": "EUR", "£": "GBP", "₹": "INR", "₩": "KRW", "₽": "RUB", "₺": "TRY", "₴": "UAH",
    "₪": "ILS", "zł": "PLN", "zl": "PLN", "kč": "CZK", "kc": "CZK", "ft": "HUF", "฿": "THB",
    "₫": "VND", "₦": "NGN", "₱": "PHP", "₲": "PYG", "₡": "CRC", "₵": "GHS", "r$": "BRL",
    "us$": "USD", "u$s": "USD", "$us": "USD", "usd$": "USD", "$usd": "USD", "a$": "AUD",
    "au$": "AUD", "c$": "CAD", "ca$": "CAD", "can$": "CAD", "nz$": "NZD", "hk$": "HKD",
    "s$": "SGD", "sg$": "SGD", "nt$": "TWD", "mx$": "MXN", "mex$": "MXN",
    "$": _DOLLAR, "dollar": _DOLLAR, "dollars": _DOLLAR, "dólares": _DOLLAR,
    "kr": _KRONE, "kr.": _KRONE, "kronor": _KRONE, "kroner": _KRONE,
    "¥": _YEN, "円": "JPY", "元": "CNY", "yen": "JPY", "rmb": "CNY", "yuan": "CNY",
    "rs": _RUPEE, "rs.": _RUPEE, "₨": _RUPEE, "rupees": _RUPEE,
    "peso": _PESO, "pesos": _PESO,
    "euro": "EUR", "euros": "EUR", "pound sterling": "GBP", "pounds sterling": "GBP",
    "sterling": "GBP", "stg": "GBP", "£stg": "GBP", "gb£": "GBP", "£gbp": "GBP",
    "us dollar": "USD", "us dollars": "USD", "u.s. dollars": "USD", "us-dollar": "USD",
    "canadian dollars": "CAD", "australian dollars": "AUD",
    "sfr": "CHF", "sfr.": "CHF", "fr.": "CHF", "franken": "CHF", "swiss francs": "CHF",
}  # fmt: skip

# "pounds" alone is also a weight: only currency columns may read it.
_WEIGHT_WORDS: dict[str, str | dict[str, str]] = {
    "pound": _POUND,
    "pounds": _POUND,
    "livres": _POUND,
}

# Who pays in what, for ledgers that name no currency anywhere (flag `currency_defaulted`).
_HOME = {
    **dict.fromkeys(_words("AT BE CY DE EE ES FI FR GR HR IE IT LT LU LV MT NL PT SI SK"), "EUR"),
    **{k: v for k, v in _DOLLAR.items() if k not in ("SV", "PA")},
    **_KRONE, **_YEN, **_RUPEE, **_PESO,
    "GB": "GBP", "GG": "GBP", "JE": "GBP", "IM": "GBP", "CH": "CHF", "LI": "CHF", "PL": "PLN",
    "CZ": "CZK", "HU": "HUF", "RO": "RON", "TR": "TRY", "BR": "BRL", "ZA": "ZAR", "KR": "KRW",
    "IL": "ILS", "AE": "AED", "SA": "SAR", "TH": "THB", "UA": "UAH", "RS": "RSD",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class CurrencyProblem:
    """Why a text is no currency."""

    code: Literal["currency_missing", "currency_unknown", "currency_ambiguous"]
    message: str


# Before anything else: to fold a long cell takes seconds, and nobody may interrupt it.
_LONGEST, _LONGEST_HOLDING = 100, 2_000  # characters of a currency; of a text that holds one
_UNKNOWN = CurrencyProblem(
    "currency_unknown", "This is no currency that we know; use an ISO code such as EUR."
)


def country_of(region: str | None) -> str | None:
    """Return the ISO alpha-2 part of a region code such as "US-CA"."""
    return region.split("-", 1)[0].upper() if region else None


def home_currency(region: str | None) -> str | None:
    """Return the currency that is legal tender in `region`, None where we do not know."""
    country = country_of(region)
    return _HOME.get(country) if country else None


@short_cache(4096)
def parse_currency(
    text: str | None, *, region: str | None = None, words: bool = True
) -> str | CurrencyProblem:
    """Read a currency code, sign or name.

    `words=False` leaves out "pounds", which is also a weight. Returns an ISO 4217 code.
    """
    written = (text or "").strip()
    if len(written) > _LONGEST:
        return _UNKNOWN
    folded = normal("NFKC", written).strip()
    if not folded:
        return CurrencyProblem("currency_missing", "No currency is given; name it, e.g. EUR.")
    if folded.upper() in ISO_4217 and (folded.isupper() or folded.upper() in _ANY_CASE):
        return folded.upper()
    key = re.sub(r"\s+", " ", folded.casefold())
    found = _SIGNS.get(key) or (_WEIGHT_WORDS.get(key) if words else None)
    if found is None:
        return _UNKNOWN
    if isinstance(found, str):
        return found
    chosen = found.get(country_of(region) or "")
    if chosen is None:
        return CurrencyProblem(
            "currency_ambiguous",
            "This sign stands for several currencies; use an ISO code such as USD, "
            "or give the region.",
        )
    return chosen


# Longest first, so that "us$" wins over "$".
_SIGN_CHARACTERS = "€£$¥₹₩₽₺₴₪฿₫₦₱₲₡₵₨"
_SIGN = re.compile(
    r"(?:US|AU|CA|NZ|HK|SG|NT|MX|A|C|S|R)?[" + re.escape(_SIGN_CHARACTERS) + r"]|\bz[łl]\b|\bKč"
)
_CODE = re.compile(r"(?<![A-Za-z])([A-Z]{3})(?![A-Za-z])")
_NO_WORDS = ISO_4217 - {"ALL", "TOP", "TRY", "MAD", "CUP", "PEN", "MOP"}


@short_cache(4096)
def currency_in(text: str, *, region: str | None = None) -> str | CurrencyProblem | None:
    """Find the currency that a heading or an amount carries: "Amount (EUR)", "£1,200.00".

    Returns None when there is none; a problem when the sign found needs a region.
    """
    text = text[:_LONGEST_HOLDING]
    sign = _SIGN.search(text)
    if sign is not None:
        return parse_currency(sign.group(0), region=region)
    for match in _CODE.finditer(text):
        if match.group(1) in _NO_WORDS:
            return match.group(1)
    for word in ("euro", "sterling"):
        if re.search(rf"\b{word}s?\b", text, re.IGNORECASE):
            return parse_currency(word)
    return None
