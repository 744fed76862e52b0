"""Columns recognized by name and by content."""

from __future__ import annotations

import pytest

from core.parsing.columns import assign
from core.parsing.headings import read_heading
from core.parsing.rows import letter_of
from core.records import Field

DIESEL = ["Diesel", "12", "l"]


def fields(headings: list[str], *rows: list[str], **mapping: str) -> dict[str, str]:
    """Return heading → field of the columns that were recognized."""
    found = assign(headings, list(rows), mapping)
    return {column.heading: str(column.field) for column in found if column.field}


@pytest.mark.parametrize(
    ("headings", "row"),
    [
        (["Activity", "Type", "Description", "Quantity", "Unit", "Country", "Date", "Cost",
          "Currency"],
         ["Diesel", "Fuel", "van 3", "12", "l", "GB", "2024-01-31", "9.50", "GBP"]),
        (["Aktivität", "Kategorie", "Bemerkung", "Menge", "Einheit", "Land", "Datum", "Betrag",
          "Währung"],
         ["Diesel", "Kraftstoff", "Bus 3", "12,5", "Liter", "DE", "31.01.2024", "9,50", "EUR"]),
        (["Désignation", "Catégorie", "Commentaire", "Quantité", "Unité", "Pays",
          "Date de facture", "Montant HT", "Devise"],
         ["Gazole", "Carburant", "camion", "12,5", "litres", "FR", "31/01/2024", "9,50", "EUR"]),
        (["Concepto", "Categoría", "Observaciones", "Cantidad", "Unidad", "País", "Fecha",
          "Importe", "Moneda"],
         ["Gasóleo", "Combustible", "furgoneta", "12,5", "litros", "ES", "31/01/2024", "9,50",
          "EUR"]),
    ],
)  # fmt: skip
def test_headings_of_four_languages_are_known(headings: list[str], row: list[str]) -> None:
    expected = ["activity_name", "activity_type", "activity_description", "volume", "unit",
                "region", "date", "amount", "currency"]  # fmt: skip
    assert list(fields(headings, row, row, row).values()) == expected


@pytest.mark.parametrize(
    ("heading", "words", "unit_text"),
    [
        ("Consumption (kWh)", "consumption", "kWh"), ("Verbrauch [kWh]", "verbrauch", "kWh"),
        ("Distance_km", "distance", "km"), ("Litres", "", "Litres"), ("Menge in t", "menge in t",
         None), ("Units", "units", None), ("Item", "item", None), ("Code(T)", "code t", None),
        ("Verbrauch / kWh", "verbrauch", "kWh"), ("mmBtu per short ton", "rate", None),
        ("Anzahl Nächte", "anzahl", "Nächte"), ("Gas (kWh Hs)", "gas", "kWh Hs"),
    ],
)  # fmt: skip
def test_a_heading_may_carry_the_unit(heading: str, words: str, unit_text: str | None) -> None:
    found = read_heading(heading)
    assert (found.words, found.unit_text) == (words, unit_text)


def test_amount_is_a_quantity_beside_units_and_money_without() -> None:
    assert fields(["Item", "Amount", "Unit"], DIESEL) == {
        "Item": "activity_name", "Amount": "volume", "Unit": "unit",
    }  # fmt: skip
    assert fields(["Item", "Amount"], DIESEL[:2]) == {"Item": "activity_name", "Amount": "amount"}
    assert fields(["Item", "Amount", "Currency"], ["Diesel", "12", "EUR"])["Amount"] == "amount"
    assert fields(["Item", "Amount (EUR)"], DIESEL[:2])["Amount (EUR)"] == "amount"


def test_quantity_and_cost_stand_side_by_side() -> None:
    found = fields(["Item", "Quantity", "Unit", "Net cost"], [*DIESEL, "20.5"])
    assert found["Quantity"] == "volume"
    assert found["Net cost"] == "amount"


def test_contents_overrule_a_name() -> None:
    # "Amount" holds words, "Type" says the same in every row.
    rows = [["Revenue", "Stationery", "see note", "12.5"] for _ in range(30)]
    found = fields(["Type", "Category", "Amount", "Net Amount"], *rows)
    assert "Type" not in found
    assert "Amount" not in found
    assert found["Net Amount"] == "amount"


def test_a_country_in_an_unknown_language_is_still_a_country() -> None:
    row = [*DIESEL, "Niemcy"]
    assert fields(["Item", "Quantity", "Unit", "Country"], row)["Country"] == "region"
    assert "Region" not in fields(["Item", "Quantity", "Unit", "Region"], [*DIESEL, "North"])


GERMAN = ["Standort", "{kind}", "Zeitraum", "Verbrauch", "Einheit", "Kosten (EUR)", "Bemerkung"]
GERMAN_ROWS = [
    ["Kassel", "Strom", "01.2024", "12.500", "kWh", "3.750,00", ""],
    ["Kassel", "Erdgas", "01.2024", "8.300", "kWh", "830,00", ""],
    ["Kassel", "Heizöl", "02.2024", "1.500", "l", "1.650,00", "Tank 2"],
    ["Fulda", "Strom", "01.2024", "4.100", "kWh", "1.230,00", ""],
    ["Fulda", "Fernwärme", "01.2024", "6.000", "kWh", "720,00", "Schätzung"],
    ["Fulda", "Diesel", "02.2024", "640", "l", "1.088,00", ""],
    ["Fulda", "Erdgas", "02.2024", "5.200", "kWh", "520,00", ""],
    ["Kassel", "Strom", "02.2024", "11.900", "kWh", "3.570,00", ""],
]


@pytest.mark.parametrize(
    "kind",
    ["Energieart", "Energieform", "Energieträger", "Medium", "Abfallart", "Brennstoff",
     "Kraftstoff", "Verkehrsmittel", "Type d'énergie", "Type de déchet", "Mode de transport",
     "Tipo de energía", "Tipo de residuo", "Medio de transporte", "Posten A"],
)  # fmt: skip
def test_a_column_of_remarks_never_names_the_activities_beside_a_better_one(kind: str) -> None:
    headings = [heading.format(kind=kind) for heading in GERMAN]
    found = fields(headings, *GERMAN_ROWS)
    assert found == {
        kind: "activity_name", "Zeitraum": "date", "Verbrauch": "volume",
        "Einheit": "unit", "Kosten (EUR)": "amount", "Bemerkung": "activity_description",
    }  # fmt: skip


@pytest.mark.parametrize(
    "remarks",
    ["Bemerkung", "Kommentar", "Remarks", "Notes", "Comments", "Remarque", "Observaciones"],
)
def test_filled_remarks_give_way_to_a_type_and_name_only_when_alone(remarks: str) -> None:
    rows = [["Strom", "Tank 2 im Hof", "12", "kWh"], ["Diesel", "nur geschätzt", "7", "l"],
            ["Erdgas", "Zähler 7 neu", "90", "kWh"]]  # fmt: skip
    found = fields(["Kategorie", remarks, "Menge", "Einheit"], *rows)
    assert found["Kategorie"] == "activity_name"
    assert found[remarks] == "activity_description"
    alone = fields([remarks, "Menge", "Einheit"], *(row[1:] for row in rows))
    assert alone[remarks] == "activity_name"


def test_a_description_that_most_rows_lack_gives_way_to_a_filled_type() -> None:
    rows = [["Diesel", "", "7", "l"], ["Gas", "boiler", "9", "kWh"], ["Petrol", "", "3", "l"]]
    headings = ["Category", "Description", "Quantity", "Unit"]
    assert fields(headings, *rows)["Category"] == "activity_name"
    filled = [[row[0], f"{row[0]} for site {i}", *row[2:]] for i, row in enumerate(rows)]
    assert fields(headings, *filled)["Description"] == "activity_name"
    # Empty lines below the table are no reason against a column.
    blank = [["", "", "", ""]] * 9
    assert fields(headings, *filled, *blank)["Description"] == "activity_name"


def test_a_kind_of_energy_beside_a_proper_name_is_the_type() -> None:
    row = ["Heizung Halle 3", "Erdgas", "12", "kWh"]
    found = fields(["Bezeichnung", "Energieart", "Menge", "Einheit"], row, row, row)
    assert found["Bezeichnung"] == "activity_name"
    assert found["Energieart"] == "activity_type"


def test_a_column_of_numbers_beside_units_needs_no_name() -> None:
    rows = [["Diesel", "12.5", "l"], ["Gas", "300", "kWh"], ["Petrol", "7", "l"]]
    assert fields(["A1", "B1", "C1"], *rows) == {
        "A1": "activity_name", "B1": "volume", "C1": "unit",
    }  # fmt: skip


def test_numbers_that_count_nothing_are_no_quantity() -> None:
    rows = [["67033175020", "NIPPLE BRASS"], ["65933780021", "COUPLING PVC"]]
    assert fields(["Commodity", "CommodityDescription"], *rows) == {
        "CommodityDescription": "activity_name"
    }


def test_emissions_and_factors_in_the_file_are_not_quantities() -> None:
    headings = ["Activity", "Quantity", "Unit", "Emission factor", "CO2e (kg)", "VAT", "Unit price",
                "Cost per litre", "EUR/l", "Heat (kWh/l)"]  # fmt: skip
    found = fields(headings, [*DIESEL, "2.5", "30", "1", "1.40", "1.40", "1.40", "10"])
    assert set(found) == {"Activity", "Quantity", "Unit"}


def test_the_mapping_is_obeyed_by_heading_and_by_letter() -> None:
    headings = ["Item", "Qty", "Qty", "UoM"]
    row = ["Diesel", "1", "2", "l"]
    first = {c.letter: c.field for c in assign(headings, [row], {})}
    assert first == {"A": Field.ACTIVITY_NAME, "B": Field.VOLUME, "C": None, "D": Field.UNIT}
    mapped = {c.letter: c.field for c in assign(headings, [row], {"C": "volume", "B": "ignore"})}
    assert mapped == {"A": Field.ACTIVITY_NAME, "B": None, "C": Field.VOLUME, "D": Field.UNIT}
    by_name = assign(["Was", "Wieviel", "x"], [DIESEL], {"wieviel": "volume"})
    assert by_name[1].field is Field.VOLUME
    assert by_name[1].confidence == 1.0


def test_every_choice_gives_its_reason() -> None:
    for column in assign(["Item", "Quantity", "Unit", "Supplier"], [[*DIESEL, "X Ltd"]], {}):
        assert column.why
        assert 0.0 <= column.confidence <= 1.0


def test_letters_are_those_of_a_spreadsheet() -> None:
    assert [letter_of(i) for i in (0, 25, 26, 701, 702, 16_383)] == [
        "A", "Z", "AA", "ZZ", "AAA", "XFD",
    ]  # fmt: skip


def test_a_plain_name_is_the_activity_s_and_not_left_to_its_type() -> None:
    found = fields(
        ["Name", "Type", "Description", "Amount", "Unit", "Date", "Region"],
        ["12 laptops", "IT equipment", "new", "12", "item", "2025-03-01", "GB"],
        ["Diesel", "Fuel", "", "100", "litres", "2025-05-01", "GB"],
    )
    assert list(found.values()) == [
        "activity_name", "activity_type", "activity_description", "volume", "unit", "date",
        "region",
    ]  # fmt: skip
    # Beside a better heading it is somebody's name.
    assert fields(["Name", "Item", "Quantity", "Unit"], ["Ann Lee", *DIESEL]) == {
        "Item": "activity_name", "Quantity": "volume", "Unit": "unit",
    }  # fmt: skip
