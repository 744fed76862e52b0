"""A generic CSV is read whole or refused whole, with every fault named."""

from __future__ import annotations

import pytest

from core.errors import FileRejected
from core.factors.importers.generic_csv import Provenance, read
from core.factors.importers.result import FaultyFile, ImportResult, factor_id
from core.factors.release_file import dump_factors, load_factors
from core.records import Basis, Dimension, GasPart

TOLD = Provenance(
    release="acme-2026", publisher="Acme Institute", title="Acme factors", version="v1", year=2026,
    licence="CC BY 4.0",
)  # fmt: skip
HEADER = "name,category,unit,value,region,data_year"


def load(*lines: str, told: Provenance = TOLD) -> ImportResult:
    return read("\n".join(lines).encode(), told, file_name="acme.csv")


def faults(*lines: str, told: Provenance = TOLD) -> list[tuple[int, str]]:
    with pytest.raises(FaultyFile) as refused:
        load(*lines, told=told)
    return [(fault.row, fault.column) for fault in refused.value.faults]


def test_a_row_of_few_columns_is_a_factor_with_what_its_kind_implies() -> None:
    (found,) = load(HEADER, "Grid electricity,Electricity,kWh,0.31,DE,2025").factors
    assert (found.value_per_unit, found.unit, found.dimension) == (0.31, "kWh", Dimension.ENERGY)
    assert (found.region, found.data_year, found.source_year) == ("DE", 2025, 2026)
    assert (found.activity_kind, found.scope, found.scope3_category) == ("electricity", 2, None)
    assert (found.source, found.licence) == ("Acme Institute", "CC BY 4.0")
    assert found.source_id == "Grid electricity | kWh | DE | 2025"
    assert found.id == factor_id("acme-2026", found.source_id)
    assert found.source_row == "row 2"


def test_every_column_is_read() -> None:
    (found,) = load(
        "id,name,category,unit,value,region,data_year,source_year,scope,scope3_category,"
        "valid_from_year,valid_to_year,source,licence,gwp_set,gases,search_terms,basis,"
        "price_year,activity_kind,biogenic,note",
        "g-1,Natural gas,Fuels,kWh,0.2,gb,2024,2025,1,,2024,2026,Gas Board,CC0,AR5,"
        '"CO2:0.199;CH4:0.0005;N2O:0.0005",methane|town gas,gross,,fuel,no,Winter mix',
    ).factors
    assert found.source_id == "g-1"
    assert found.basis is Basis.GROSS
    assert (found.scope, found.activity_kind, found.biogenic) == (1, "fuel", False)
    assert (found.valid_from_year, found.valid_to_year) == (2024, 2026)
    assert (found.data_year, found.source_year) == (2024, 2025)
    assert (found.source, found.licence, found.gwp_set) == ("Gas Board", "CC0", "AR5")
    assert found.gases == (
        GasPart("CO2", 0.199), GasPart("CH4", 0.0005), GasPart("N2O", 0.0005),
    )  # fmt: skip
    assert found.search_texts == ("methane", "town gas")
    assert found.note == "Winter mix"


def test_units_are_read_as_people_write_them() -> None:
    units = ["kWh (net CV)", "litres", "m³", "passenger-km", "tonne-km", "US gal", "GBP", "nights"]
    lines = [f"Thing {n},Things,{unit},1,GB,2025" for n, unit in enumerate(units)]
    assert [(f.unit, f.basis) for f in load(HEADER, *lines).factors] == [
        ("kWh", Basis.NET), ("l", None), ("m3", None), ("passenger_km", None), ("tonne_km", None),
        ("gal_us", None), ("GBP", None), ("room_night", None),
    ]  # fmt: skip


def test_money_factors_have_currency_and_price_year() -> None:
    (found,) = load(f"{HEADER},price_year", "Consulting,Services,EUR,0.2,DE,2024,2022").factors
    assert (found.currency, found.price_year, found.activity_kind) == ("EUR", 2022, "spend")
    assert (found.scope, found.scope3_category) == (3, 1)


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_a_decimal_comma_is_read_where_it_cannot_separate_columns(delimiter: str) -> None:
    lines = [HEADER, "A,B,kWh,0|177,GB,2025", "C,D,kWh,1.234|5,GB,2025"]
    text = [line.replace(",", delimiter).replace("|", ",") for line in lines]
    assert [f.value_per_unit for f in load(*text).factors] == [0.177, 1234.5]


def test_a_thousands_comma_is_no_decimal_comma() -> None:
    assert faults(HEADER, 'A,B,kWh,"1,234",GB,2025') == [(2, "value")]


@pytest.mark.parametrize(
    ("line", "column"),
    [
        (",Fuels,kWh,0.2,GB,2025", "name"),
        ("Gas,,kWh,0.2,GB,2025", "category"),
        ("Gas,Fuels,,0.2,GB,2025", "unit"),
        ("Gas,Fuels,blorp,0.2,GB,2025", "unit"),
        ("Gas,Fuels,gal,0.2,,2025", "unit"),  # UK or US gallon
        ("Spend,Services,kEUR,200,DE,2025", "unit"),  # a thousand euros
        ("Gas,Fuels,kWh,,GB,2025", "value"),
        ("Gas,Fuels,kWh,abc,GB,2025", "value"),
        ("Gas,Fuels,kWh,nan,GB,2025", "value"),
        ("Gas,Fuels,kWh,inf,GB,2025", "value"),
        ("Gas,Fuels,kWh,-0.2,GB,2025", "value"),
        ("Gas,Fuels,kWh,0.2,Atlantis,2025", "region"),
        ("Gas,Fuels,kWh,0.2,GB,25", "data_year"),
        ("Gas,Fuels,kWh,0.2,GB,2025.5", "data_year"),
    ],
)
def test_a_fault_is_named_by_row_and_column(line: str, column: str) -> None:
    good = "Coal,Fuels,kg,2.4,GB,2025"
    assert faults(HEADER, good, line) == [(3, column)]


@pytest.mark.parametrize(
    ("columns", "values", "column"),
    [
        ("scope", "4", "scope"),
        ("scope,scope3_category", "1,6", "scope3_category"),
        ("scope3_category", "16", "scope3_category"),
        ("valid_from_year,valid_to_year", "2026,2024", "valid_to_year"),
        ("basis", "upper", "basis"),
        ("gwp_set", "AR7", "gwp_set"),
        ("gases", "CO2=1", "gases"),
        ("gases", "CO2:0.1", "gases"),  # adds up to 0.1, the value is 0.2
        ("gwp_set,gases", "AR5,CO2:0.1;CH4:0.1@0.1", "gases"),  # 0.1 kg of CH4 are 2.8 kg CO2e
        ("gases", "CO2:0.2@0.2", "gwp_set"),
        ("activity_kind", "magic", "activity_kind"),
        ("biogenic", "maybe", "biogenic"),
        ("biogenic,scope", "yes,1", "scope"),
    ],
)
def test_optional_columns_have_faults_too(columns: str, values: str, column: str) -> None:
    assert (2, column) in faults(f"{HEADER},{columns}", f"Gas,Fuels,kWh,0.2,GB,2025,{values}")


def test_all_faults_are_listed_with_their_remedies() -> None:
    with pytest.raises(FaultyFile) as refused:
        load(HEADER, "Gas,Fuels,blorp,abc,GB,2025", ",Fuels,kWh,0.2,GB,2025")
    told = refused.value.message
    assert "3 faults; nothing was imported" in told
    assert "row 2, column unit: unit_unknown" in told
    assert "row 2, column value: is not a number; write it like 0.177" in told
    assert "row 3, column name: is blank; say what the factor is for" in told
    assert "blorp" not in told


def test_licence_and_source_and_year_have_to_come_from_somewhere() -> None:
    bare = Provenance(release="x1", publisher="", title="")
    assert faults("name,category,unit,value", "Gas,Fuels,kWh,0.2", told=bare) == [
        (2, "data_year"), (2, "source"), (2, "licence"),
    ]  # fmt: skip


def test_two_rows_for_the_same_thing_are_a_fault() -> None:
    line = "Gas,Fuels,kWh,0.2,GB,2025"
    assert faults(HEADER, line, line) == [(3, "id")]
    assert faults(f"id,{HEADER}", f"a,{line}", f"a,{line}") == [(3, "id")]


def test_unknown_missing_and_double_columns_are_faults_of_the_header() -> None:
    assert faults("name,category,unit,value,colour", "a,b,kWh,1,red") == [(1, "number 5")]
    assert faults("name,category,unit", "a,b,kWh") == [(1, "value")]
    assert (1, "note") in faults(f"{HEADER},note,note", "a,b,kWh,1,GB,2025,x,y")


@pytest.mark.parametrize(
    "content",
    [b"", b"\n\n", HEADER.encode(), b"a,b\n1,2\n", b"PK\x03\x04\0\0\0", b"\xff\xfe\x00n",
     b'name,category,unit,value\n"open,b,kWh,1\n', b"name,category,unit,value\na,b,kWh,1,2,3\n"],
)  # fmt: skip
def test_what_is_no_such_file_is_refused(content: bytes) -> None:
    with pytest.raises(FileRejected):
        read(content, TOLD, file_name="x.csv")


def test_licence_source_and_validity_survive_as_a_release_file() -> None:
    result = load(
        f"{HEADER},licence,source,valid_to_year,source_year",
        "Gas,Fuels,kWh,0.2,GB,2025,CC0,Gas Board,2026,2024",
        "Coal,Fuels,kg,2.4,GB,2025,,,,",
    )
    text = dump_factors(result.factors, result.meta)
    kept = sorted(result.factors, key=lambda f: f.source_id)
    assert load_factors(text, result.meta) == tuple(kept)
