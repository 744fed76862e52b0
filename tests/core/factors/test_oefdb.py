"""The layouts in which the Open Emission Factors Database was published. Rows are made up."""

from __future__ import annotations

import pytest

from core.errors import FileRejected
from core.factors.importers.oefdb import read
from core.factors.importers.result import FaultyFile, ImportResult
from core.records import Dimension, EmissionFactor

OLD = (
    "sector,category,id,name,unit,factor,uncertainty,source,year,region,date_accessed,"
    "description,source_link,activity"
)
NEW = (
    "sector,category,activity_id,name,activity_unit,kgCO2e-AR5,kgCO2e-AR4,kgCO2,kgCH4,kgN2O,"
    "kgCO2e-OtherGHGs-AR5,kgCO2e-OtherGHGs-AR4,uncertainty,scope,lca_activity,source,"
    "year_released,years_valid,years_calculated_from,region,data_quality,contributor,"
    "date_accessed,description,source_link"
)
LINK = "https://example.org"


def new(unit: str = "kWh", **changes: str) -> str:
    cells = dict.fromkeys(NEW.split(","), "") | {
        "sector": "Energy", "category": "Electricity", "name": "Grid mix", "activity_unit": unit,
        "activity_id": "electricity-energy_source_grid_mix", "kgCO2e-AR5": "0.4", "scope": "2",
        "lca_activity": "electricity_generation", "source": "UBA", "year_released": "2022",
        "region": "DE", "date_accessed": "2022/03/01", "description": "Made up.",
        "source_link": LINK,
    }  # fmt: skip
    return ",".join((cells | changes).values())


def load(header: str, *lines: str) -> ImportResult:
    text = "\n".join([header, *lines])
    return read(text.encode(), file_name="o.csv", retrieved_on="2026-11-23")


def one(**changes: str) -> EmissionFactor:
    (found,) = load(NEW, new(**changes)).factors
    return found


def test_a_row_keeps_its_own_source_year_and_a_licence_that_is_share_alike() -> None:
    result = load(NEW, new(years_valid="2020-2022", years_calculated_from="2020"))
    (found,) = result.factors
    assert (found.value_per_unit, found.unit, found.gwp_set) == (0.4, "kWh", "AR5")
    assert (found.source_year, found.data_year) == (2022, 2020)
    assert found.source.startswith("UBA, 2022")
    assert "CC BY-SA 4.0" in found.licence
    assert result.meta.share_alike
    assert result.meta.release == "oefdb-2022-03-01"
    assert (found.scope, found.activity_kind, found.region) == (2, "electricity", "DE")


@pytest.mark.parametrize(
    ("written", "unit", "dimension"),
    [
        ("kg/kWh", "kWh", Dimension.ENERGY),
        ("kg-CO2e/tkm", "tonne_km", Dimension.FREIGHT_DISTANCE),
        ("kg/passenger-km", "passenger_km", Dimension.PASSENGER_DISTANCE),
        ("kg-CO2e/pmile", "passenger_mi", Dimension.PASSENGER_DISTANCE),
        ("kg-CO2e/tmile", "ton_mi", Dimension.FREIGHT_DISTANCE),
        ("kg/usd", "USD", Dimension.MONEY),
        ("tonne", "t", Dimension.MASS),
        ("short ton", "short_ton", Dimension.MASS),
        ("MMBTU", "mmBtu", Dimension.ENERGY),
        ("gal (US)", "gal_us", Dimension.VOLUME),
        ("L", "l", Dimension.VOLUME),
        ("room-night", "room_night", Dimension.ROOM_NIGHT),
        ("EUR", "EUR", Dimension.MONEY),
        ("tonne-km", "tonne_km", Dimension.FREIGHT_DISTANCE),
        ("passenger-mile", "passenger_mi", Dimension.PASSENGER_DISTANCE),
        ("mile", "mi", Dimension.DISTANCE),
        ("GJ", "GJ", Dimension.ENERGY),
        ("scf", "scf", Dimension.VOLUME),
    ],
)
def test_its_units_are_read_with_and_without_the_kg(
    written: str, unit: str, dimension: Dimension
) -> None:
    found = one(unit=written, region="US")
    assert (found.unit, found.dimension) == (unit, dimension)


def test_the_first_layout_is_read() -> None:
    (found,) = load(
        OLD,
        "Transport,Road Travel,car,Average Car,kg-CO2e/km,0.2,60,ADEME,2018,FR,2021/08/20,"
        f"Made up.,{LINK},fuel_combustion",
    ).factors
    assert (found.value_per_unit, found.unit, found.data_year) == (0.2, "km", 2018)
    assert found.gwp_set is None  # that layout does not say
    assert (found.activity_kind, found.scope) == ("vehicle_passenger", 1)


def test_the_newest_layout_is_read_with_its_ids() -> None:
    header = "UUID," + NEW.replace("year_released,years_valid", "dataset,year_released,years_valid")
    values = new().split(",")
    place = NEW.split(",").index("year_released")
    line = ",".join(["0f8e3c7c-0000-4000-8000-000000000001", *values[:place], "Grid list",
                     *values[place:]])  # fmt: skip
    (found,) = load(header, line).factors
    assert found.source_id == "0f8e3c7c-0000-4000-8000-000000000001"
    assert found.source.startswith("UBA, Grid list, 2022")


def test_ar4_is_taken_where_there_is_nothing_newer_and_said() -> None:
    found = one(**{"kgCO2e-AR5": "not-supplied", "kgCO2e-AR4": "0.45"})
    assert (found.value_per_unit, found.gwp_set) == (0.45, "AR4")


def test_gases_are_kept_where_they_add_up() -> None:
    # 0.39 + 0.0002 × 28 + 0.00001 × 265 = 0.39825
    gases = {"kgCO2": "0.39", "kgCH4": "0.0002", "kgN2O": "0.00001"}
    found = one(**{"kgCO2e-AR5": "0.39825"}, **gases)
    assert [(g.gas, g.kg_gas) for g in found.gases] == [
        ("CO2", 0.39), ("CH4", 0.0002), ("N2O", 0.00001),
    ]  # fmt: skip
    assert one(**{"kgCO2e-AR5": "0.5"}, **gases).gases == ()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"unit": "CPU-hour"}, "unit CPU-hour has no counterpart here"),
        ({"kgCO2e-AR5": "not-supplied"}, "no CO2e figure is supplied"),
        ({"kgCO2e-AR5": "-0.1"}, "the figure is negative: avoided emissions are no factor here"),
        ({"data_quality": "o|e"}, "the database marks the figure as an erroneous calculation"),
        ({"region": "XX-YY"}, "its region is no country, subdivision or GLOBAL"),
    ],
)
def test_a_row_that_cannot_be_used_is_skipped_with_its_reason(
    changes: dict[str, str], why: str
) -> None:
    result = load(NEW, new(name="Other", activity_id="other"), new(**changes))
    assert len(result.factors) == 1
    assert result.skipped_by_reason() == {why: 1}


def test_a_row_that_stands_there_twice_is_taken_once() -> None:
    result = load(NEW, new(), new(**{"kgCO2e-AR5": "0.5"}))
    assert [f.value_per_unit for f in result.factors] == [0.4]
    assert len(result.skipped) == 1


def test_scopes_are_its_own_where_it_names_one_and_the_kind_s_where_it_names_several() -> None:
    assert one(scope="3").scope == 3
    assert one(scope="2|3").scope == 2
    biogenic = one(scope="Outside of scopes")
    assert (biogenic.scope, biogenic.biogenic) == (None, True)
    assert one(region="GLOBAL").region is None


def test_a_row_without_a_year_refuses_the_file() -> None:
    with pytest.raises(FaultyFile, match="row 2, column year_released"):
        load(NEW, new(year_released=""))


@pytest.mark.parametrize(
    "header", ["a,b,c", "name,category,unit,value", NEW.replace("region", "r")]
)
def test_another_header_is_refused(header: str) -> None:
    with pytest.raises(FileRejected, match="its header is not one of"):
        load(header, "1,2,3")
