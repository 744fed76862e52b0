"""Ledger lines that are no purchase, lines that name a vendor alone, and lines that are neither."""

from __future__ import annotations

from collections import Counter

import pytest

from core.factors.library import load_release
from core.matching.candidates import LibraryIndex
from core.matching.decide import NOT_AN_EMISSION, PRODUCT_UNKNOWN
from core.matching.matcher import OfflineMatcher
from core.matching.money_rules import not_an_emission, nothing_but_a_vendor
from core.matching.reading import read_activity
from core.matching.spend import everyday_terms
from core.matching.text import Speller, plain, read_data
from core.records import ActivityQuery, Decision, Thresholds
from core.units import unit


@pytest.fixture(scope="module")
def matcher() -> OfflineMatcher:
    factors = load_release("epa-supply-chain-1.3").factors
    return OfflineMatcher(LibraryIndex.build(factors))  # without an embedder: words alone


def decide(matcher: OfflineMatcher, line: str, region: str = "GB") -> Decision:
    """Decide a line written as "name | account"."""
    (decision,) = matcher.match([asked(line, region)], Thresholds())
    return decision


def asked(line: str, region: str = "GB") -> ActivityQuery:
    name, _, account = (part.strip() for part in line.partition("|"))
    money = unit("GBP" if region == "GB" else "EUR")
    return ActivityQuery(
        name, name, account or None, None, money.code, money.dimension, None, region, 2022,
        money.currency,
    )  # fmt: skip


def reason(line: str, region: str = "GB") -> str | None:
    """Return the reason by which a line is held before any sector is sought, or None."""
    reading = read_activity(asked(line, region), Speller(()))
    refused = not_an_emission(reading, money=True)
    if refused is not None:
        return refused[0]
    return PRODUCT_UNKNOWN if nothing_but_a_vendor(reading) else None


@pytest.mark.parametrize(
    "line",
    [
        # pay
        "Net pay run M6 | Payroll", "EE pension deds M4 | Payroll", "401(k) match | Benefits",
        "FICA employer", "Employers NI July", "Löhne und Gehälter 05/22", "Lohnsteuer Mai",
        "Sozialversicherungsbeiträge", "URSSAF cotisations T2", "Salaires nets mars",
        "Seguridad Social a cargo empresa", "Paga extra verano", "Contributi INPS", "Lonen juni",
        # taxes
        "TVA à décaisser CA3", "MwSt-Zahllast Mai", "IBI 2022 nave", "F24 ritenute",
        "Business rates 22/23 | Premises", "Property tax - parcel 12", "Customs duty CN parts",
        "Gewerbesteuer-Vorauszahlung Q2", "Impuesto sobre Sociedades", "Btw afdracht Q3", "Tax",
        # financing and currency
        "Term loan repmt, capital", "Darlehen KfW Tilgung", "Remboursement emprunt CIC",
        "Préstamo ICO cuota 14", "Aflossing lening", "Lease liability unwind IFRS 16",
        "Overdraft interest", "Bond principal FY22 | Debt service", "Share capital issue",
        "FX reval GBP gain", "Credit card payment - Amex", "Directors loan repayment",
        # entries without cash
        "Depr'n - motor vehicles | Journal", "Bad debt w/o Carter | Journal", "Reverse accrual P11",
        "Ammortamento impianti", "Stock adj - cycle count", "Rückstellung Urlaub",
        "Afschrijving machines", "Dotation amortissement matériel", "Amortización maquinaria",
        "Loss on disposal - van", "Bank reconciliation adj | Journal",
        # transfers and balances
        "Tfr to deposit account | Bank", "Virement interne", "Traspaso a cuenta ahorro",
        "Petty cash top-up", "I/co recharge overheads", "Transfer to reserve a/c", "Balance c/f",
        # income, deposits, fines, donations, offsets
        "Grant rec'd Innovate UK", "Rent rec'd Unit 4", "Tenant deposit returned", "Kaution Büro",
        "Subvention reçue Région", "Sale of scrap metal | Other income", "Multa tráfico",
        "Parking fine PCN 2231", "Spende DRK", "Charity donation - hospice", "Herkunftsnachweise",
    ],
)  # fmt: skip
def test_a_booking_without_a_purchase_is_refused(line: str) -> None:
    assert reason(line) == NOT_AN_EMISSION


@pytest.mark.parametrize(
    "line",
    [
        "Payroll bureau fees | Payroll", "ADP payroll processing | HR", "Payroll software",
        "Agency nurses wk 23 | Payroll", "Agency temps July | Wages", "Training course | HR",
        "Gestoría nóminas", "Salary survey", "Insurance premium - fleet | Insurance",
        "Employers liability insurance", "Pension scheme administration", "Bank charges | Bank",
        "Card terminal fees | Bank", "Tax advice | Professional fees", "Tax software licence",
        "Steuerberater Jahresabschluss", "Legal fees loan agreement | Financing",
        "Customs clearance & duty handling", "OTA commission | Sales", "Airport transfer | Travel",
        "Transfer pump | Plant", "Hedge trimming | Grounds", "Fine paper A4", "Limestone fines",
        "Laptops + VAT", "Desks incl. VAT", "Total station survey", "UST removal", "NIC card 10GbE",
        "Car rental receipt | Travel", "Dotation vestimentaire agents", "Lohnfertigung Drehteile",
        "Loan equipment hire", "Capital equipment - CNC lathe", "Grant writing consultant",
        "Rental of excavator", "Rent - head office | Premises", "Team lunch | Personnel",
    ],
)  # fmt: skip
def test_a_purchase_that_sounds_like_a_booking_goes_to_the_sectors(line: str) -> None:
    assert reason(line) is None


def test_an_account_number_tells_by_the_country_s_chart() -> None:
    assert reason("Bonus équipe, deduction | 641", "FR") == NOT_AN_EMISSION
    assert reason("Commission nocturne, staff | 621", "FR") is None
    assert reason("Mutual claim | 6815", "FR") == NOT_AN_EMISSION
    assert reason("Mutual claim | 6815", "US") is None


@pytest.mark.parametrize(
    "line",
    [
        "Smith & Sons Ltd | Sundry creditors", "AMZN Mktp US*2K4 | P-card", "SQ *JOES",
        "PAYPAL *JSMITH", "Hofmann GmbH | Kreditoren", "Dupont SARL | Fournisseurs", "Jones Bros",
        "García e Hijos SL | Proveedores", "Rossi SRL", "Employee expense claim", "Invoice 2231",
    ],
)  # fmt: skip
def test_a_vendor_alone_does_not_tell_what_was_bought(line: str) -> None:
    assert reason(line) == PRODUCT_UNKNOWN


@pytest.mark.parametrize(
    "line",
    [
        "Smith Plumbing Ltd", "Smith & Sons Ltd | Cleaning", "Müller Gebäudereinigung GmbH",
        "SQ *BLUE BOTTLE COFFEE", "Sysco Corp", "Verizon Wireless", "Limpiezas García SL",
    ],
)  # fmt: skip
def test_a_vendor_whose_trade_is_plain_goes_to_the_sectors(line: str) -> None:
    assert reason(line) is None


# A line a chapter of the NAICS at least, in the words of another country or trade.
@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("Farine de blé T65", "311211"), ("Käse", "311513"), ("Aceite de oliva", "311225"),
        ("Kopierpapier A4", "322121"), ("Cajas de cartón", "322211"),
        ("Tuyau hydraulique", "326220"), ("Grobblech", "331110"), ("Drehteile Messing", "332721"),
        ("Feuerverzinkung", "332812"),
        ("Rodamientos", "332991"), ("Akkuschrauber", "333991"), ("Schweißdraht", "333992"),
        ("Gants de travail", "315990"), ("Bürostühle", "337214"), ("Medikamente", "325412"),
        ("Alquiler grúa torre", "532412"), ("Location voiture", "532111"), ("LKW-Maut", "488490"),
        ("Nettoyage des locaux", "561720"), ("Schädlingsbekämpfung", "561710"),
        ("Kfz-Reparatur", "811111"), ("MRI service contract", "811219"),
        ("Mantenimiento ascensores", "811310"), ("Porta potty rental", "562991"),
        ("Zeitarbeit", "561320"), ("Abogados", "541110"), ("Group health premium", "524114"),
        ("Verizon Wireless", "517312"), ("Comcast Business", "517311"), ("FedEx", "492110"),
        ("Booking.com commission", "561599"), ("Andamios", "238990"), ("Dachreparatur", "238160"),
    ],
)  # fmt: skip
def test_words_of_other_countries_and_trades_find_their_sector(
    matcher: OfflineMatcher, line: str, code: str
) -> None:
    assert decide(matcher, line).candidates[0].source_id == code


def test_no_everyday_word_of_a_sector_is_taken_for_a_booking() -> None:
    refused = [
        term
        for terms in everyday_terms().values()
        for term in terms
        if reason(term) == NOT_AN_EMISSION
    ]
    assert refused == ["balance"]  # a French scale, and a balance brought forward


def test_the_everyday_words_are_plain_and_name_one_sector_each() -> None:
    factors = load_release("epa-supply-chain-1.3").factors
    assert set(everyday_terms()) <= {factor.source_id for factor in factors}
    terms = [term for own in everyday_terms().values() for term in own]
    assert [term for term in terms if term != plain(term)] == []
    twice = [term for term, count in Counter(terms).items() if count > 1]
    assert twice == ["ups"]  # the courier, and the batteries of a server room


def test_the_lists_of_ledger_words_can_be_found_in_plain_words() -> None:
    for row in read_data("ledger_words.csv"):
        listed = [word.rstrip("*") for word in row["words"].split("|")]
        assert all(word and word == plain(word) for word in listed), row["list"]
