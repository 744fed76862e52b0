"""The shipped releases hold the published figures, and come out of the publishers' files alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import FileRejected, NotFound
from core.factors.importers import desnz, epa_hub, gwp, supply_chain
from core.factors.importers.result import FaultyFile, factor_id
from core.factors.library import (
    DEFAULT_RELEASES,
    load_release,
    releases,
    releases_in_order,
    source_of,
)
from core.factors.licences import is_share_alike, may_ship
from core.factors.release_file import dump_factors
from core.records import Basis, Dimension, EmissionFactor
from runtime.factors_cli import DATA, main

PUBLISHED = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "factors"
needs_files = pytest.mark.skipif(
    not PUBLISHED.exists(), reason="the publishers' files are not at hand"
)
RETRIEVED = "2026-11-22"


def factor(release: str, source_id: str) -> EmissionFactor:
    (found,) = [f for f in load_release(release).factors if f.source_id == source_id]
    return found


def test_four_releases_are_shipped_and_the_newest_of_each_is_used_by_default() -> None:
    assert releases() == ["desnz-2024", "desnz-2025", "epa-hub-2025", "epa-supply-chain-1.3"]
    superseded = {source_of(name).supersedes for name in releases()}
    assert sorted(DEFAULT_RELEASES) == sorted(set(releases()) - superseded)


def test_a_release_comes_after_the_one_that_it_supersedes() -> None:
    order = releases_in_order()
    assert sorted(order) == releases()
    assert order.index("desnz-2024") < order.index("desnz-2025")


def test_only_public_domain_ogl_and_cc0_figures_are_shipped() -> None:
    for name in releases():
        assert may_ship(source_of(name).licence)
        assert {f.licence for f in load_release(name).factors} == {source_of(name).licence}


@pytest.mark.parametrize(
    "licence",
    ["CC BY-SA 4.0", "cc-by-sa-4.0", "ODbL 1.0", "Creative Commons Attribution-ShareAlike 4.0"],
)
def test_a_share_alike_licence_is_known_and_never_ships(licence: str) -> None:
    assert is_share_alike(licence)
    assert not may_ship(licence)


def test_a_licence_that_nobody_checked_does_not_ship() -> None:
    assert not may_ship("CC BY 4.0")
    assert not may_ship("all rights reserved")


def test_an_unknown_release_is_not_found() -> None:
    with pytest.raises(NotFound):
        load_release("desnz-1999")


# Figures as printed in the DESNZ 2025 flat file; the gas rows stand beside them.
@pytest.mark.parametrize(
    ("source_id", "value", "unit", "scope", "category", "region"),
    [
        ("1_101_1011_8_1", 2.57082, "l", 1, None, "GB"),
        ("1_100_1004_6_1", 0.18296, "kWh", 1, None, "GB"),
        ("7_400_4000_5_1", 0.177, "kWh", 2, None, "GB"),
        ("13_402_4000_5_1", 0.01853, "kWh", 3, 3, "GB"),
        ("29_600_4017_13_1", 13.2, "room_night", 3, 6, "DE"),
        ("29_600_4052_13_1", 63.8, "room_night", 3, 6, "AE"),
        ("17_404_4005_10_1", 191.30156, "Ml", 3, 1, "GB"),
        ("3_201_2156_3_1", 1924, "kg", 1, None, None),
        ("20_506_5453_15_1", 1164.4894, "t", 3, 5, "GB"),
        ("32_603_9999_12_1", 0.33378, "fte_hour", 3, 7, "GB"),
        ("4_302_3078_4_1", 0.10107, "km", 1, None, "GB"),  # 0.10107000000000001 in the file
    ],
)
def test_a_desnz_factor_is_as_published(
    source_id: str, value: float, unit: str, scope: int, category: int | None, region: str | None
) -> None:
    found = factor("desnz-2025", source_id)
    assert (found.value_per_unit, found.unit) == (value, unit)
    assert (found.scope, found.scope3_category, found.region) == (scope, category, region)
    assert found.gwp_set == "AR5"
    assert found.licence == "Open Government Licence v3.0"
    assert found.source_row.startswith("Factors by Category!")


def test_gas_rows_become_gas_parts() -> None:
    # rows 1_100_1000_15_2 to _4 of the flat file: butane, per tonne
    parts = {p.gas: p.kg_co2e for p in factor("desnz-2025", "1_100_1000_15_1").gases}
    assert parts == {"CO2": 3029.26, "CH4": 2.52, "N2O": 1.60067}


def test_calorific_value_is_an_attribute_of_the_unit() -> None:
    assert factor("desnz-2025", "1_100_1004_6_1").basis is Basis.GROSS
    assert factor("desnz-2025", "1_100_1004_7_1").basis is Basis.NET
    assert factor("desnz-2025", "7_400_4000_5_1").basis is None


def test_a_blank_is_no_factor() -> None:
    ids = {f.source_id for f in load_release("desnz-2025").factors}
    assert "29_600_4022_13_1" not in ids  # hotel stay in Ireland: blank in the file
    assert all(f.value_per_unit is not None for f in load_release("desnz-2025").factors)


def test_what_is_outside_of_the_scopes_is_biogenic_and_in_no_scope() -> None:
    biogenic = [f for f in load_release("desnz-2025").factors if f.biogenic]
    assert biogenic
    assert all(f.scope is None and f.activity_kind == "biogenic_co2" for f in biogenic)


# Figures as printed in the DESNZ 2024 flat file.
@pytest.mark.parametrize(
    ("source_id", "value", "unit"),
    [
        ("7_400_4000_5_1", 0.20705, "kWh"),  # UK grid electricity
        ("1_100_1004_6_1", 0.1829, "kWh"),  # natural gas, gross CV
        ("1_101_1011_8_1", 2.51279, "l"),  # diesel, average biofuel blend
    ],
)
def test_the_year_before_keeps_its_own_figures(source_id: str, value: float, unit: str) -> None:
    found = factor("desnz-2024", source_id)
    assert (found.value_per_unit, found.unit, found.data_year) == (value, unit, 2024)
    assert "sheets that the publisher's has not" in source_of("desnz-2024").note


# kg: from the hub's printed gases by hand, with CH4 28 and N2O 265
@pytest.mark.parametrize(
    ("source_id", "kg", "unit"),
    [
        # 53.06 + 0.001 × 28 + 0.0001 × 265
        ("Table 1/Natural Gas [mmBtu]", 53.1145, "mmBtu"),
        # (436.655 + 0.025 × 28 + 0.003 × 265) lb/MWh × 0.45359237 / 1000
        ("Table 6/CAMX", 0.1987414969155, "kWh"),
        # 1.298 + 0.0000115 × 28 + 0.0000376 × 265
        ("Table 8/Medium- and Heavy-Duty Truck [vehicle-mile]", 1.308286, "mi"),
        ("Table 8/Medium- and Heavy-Duty Truck [short ton-mile]", 0.1874758, "ton_mi"),
        ("Table 9/Corrugated Containers [Recycled]", 110.0, "short_ton"),  # 0.11 t a short ton
        ("Table 10/Passenger Car", 0.2985697, "mi"),
        ("Table 12/R-404A", 3943.0, "kg"),
    ],
)
def test_a_hub_factor_adds_up_from_its_gases(source_id: str, kg: float, unit: str) -> None:
    found = factor("epa-hub-2025", source_id)
    assert found.value_per_unit == pytest.approx(kg, rel=1e-9)
    assert found.unit == unit
    if found.gases:
        assert sum(p.kg_co2e for p in found.gases) == pytest.approx(kg, rel=1e-9)


def test_hub_waste_keeps_its_own_gwp_set() -> None:
    assert factor("epa-hub-2025", "Table 9/Corrugated Containers [Recycled]").gwp_set == "AR4"
    assert factor("epa-hub-2025", "Table 6/CAMX").gwp_set == "AR5"


def test_biomass_burnt_counts_ch4_and_n2o_and_its_co2_apart() -> None:
    # 7.2 g × 28 + 3.6 g × 265 = 1.1556 kg per mmBtu; CO2 93.8 kg
    assert factor(
        "epa-hub-2025", "Table 1/Wood and Wood Residuals [mmBtu]"
    ).value_per_unit == pytest.approx(1.1556)
    apart = factor("epa-hub-2025", "Table 1/Wood and Wood Residuals [mmBtu] biogenic CO2")
    assert (apart.value_per_unit, apart.scope, apart.biogenic) == (93.8, None, True)


def test_supply_chain_factors_are_with_margins_and_have_index_entries() -> None:
    found = factor("epa-supply-chain-1.3", "111110")
    assert found.value_per_unit == 0.532  # 0.488 + 0.044
    assert (found.currency, found.price_year, found.dimension) == ("USD", 2022, Dimension.MONEY)
    assert found.search_texts == ("Soybean farming, field and seed production",)
    assert found.gwp_set is None


def test_ids_depend_on_release_and_source_id_alone() -> None:
    found = factor("desnz-2025", "7_400_4000_5_1")
    assert found.id == factor_id("desnz-2025", "7_400_4000_5_1")
    assert found.id != factor_id("desnz-2024", "7_400_4000_5_1")
    every = [f.id for name in releases() for f in load_release(name).factors]
    assert len(every) == len(set(every)) == 2 * 2672 + 436 + 1016


@needs_files
def test_importing_again_gives_the_shipped_bytes() -> None:
    uk, us = PUBLISHED / "uk_desnz", PUBLISHED / "us_epa"
    name = "ghg-conversion-factors-2025-flat-format.xlsx"
    before = "ghg-conversion-factors-2024-flat-format.xlsx"
    hub = "ghg-emission-factors-hub-2025.xlsx"
    chain = "SupplyChainGHGEmissionFactors_v1.3.0_NAICS_CO2e_USD2022.csv"
    results = [
        desnz.read((uk / name).read_bytes(), file_name=name, retrieved_on=RETRIEVED),
        desnz.read((uk / before).read_bytes(), file_name=before, retrieved_on=RETRIEVED),
        epa_hub.read((us / hub).read_bytes(), file_name=hub, retrieved_on=RETRIEVED),
        supply_chain.read(
            (us / chain).read_bytes(), (us / "naics-2017-index.xlsx").read_bytes(),
            file_name=chain, retrieved_on=RETRIEVED,
        ),
    ]  # fmt: skip
    for result in results:
        shipped = (DATA / f"{result.meta.release}.csv").read_text("utf-8")
        assert dump_factors(result.factors) == shipped
        told = {"desnz-2025": "desnz-2024"}.get(result.meta.release, "")  # --supersedes
        assert source_of(result.meta.release) == replace(result.meta, supersedes=told)
        assert load_release(result.meta.release).factors == tuple(
            sorted(result.factors, key=lambda f: f.source_id)
        )
    table = (PUBLISHED / "gwp" / "globalwarmingpotentials.csv").read_bytes()
    assert gwp.read(table) == (DATA / "gwp.csv").read_text("utf-8")


def as_csv(path: Path) -> list[str]:
    """Write the flat file's rows as a German spreadsheet program saves them."""
    import openpyxl

    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    lines = []
    for row in book[desnz.SHEET].iter_rows(values_only=True, max_col=10):
        cells = ["" if cell is None else str(cell) for cell in row]
        if isinstance(row[9], float):
            cells[9] = f"{row[9]:.15g}".replace(".", ",")
        lines.append(";".join(f'"{c}"' if ";" in c or '"' in c else c for c in cells))
    return lines


@needs_files
@pytest.mark.parametrize("year", [2024, 2025])
def test_the_csv_form_gives_the_same_factors_to_the_digit(year: int) -> None:
    path = PUBLISHED / "uk_desnz" / f"ghg-conversion-factors-{year}-flat-format.xlsx"
    text = "\r\n".join(as_csv(path))
    for content in (text.encode("utf-8-sig"), text.encode("cp1252")):
        result = desnz.read(content, file_name="flat.csv", retrieved_on=RETRIEVED)
        # a CSV has no front page that states the version, and lines instead of a sheet's rows
        same = [
            replace(f, source=result.meta.citation) for f in load_release(f"desnz-{year}").factors
        ]
        assert sorted(result.factors, key=lambda f: f.source_id) == same
        assert result.meta.release == f"desnz-{year}"


@needs_files
def test_a_csv_form_without_its_end_says_so() -> None:
    lines = as_csv(PUBLISHED / "uk_desnz" / "ghg-conversion-factors-2025-flat-format.xlsx")
    result = desnz.read("\n".join(lines[:100]).encode(), file_name="f", retrieved_on=RETRIEVED)
    assert result.notices == ("There is no END row; make sure that the file is complete.",)


@needs_files
def test_a_text_where_a_figure_belongs_refuses_the_flat_file() -> None:
    lines = as_csv(PUBLISHED / "uk_desnz" / "ghg-conversion-factors-2025-flat-format.xlsx")
    lines[6] = lines[6].rpartition(";")[0] + ";see note"
    with pytest.raises(FaultyFile, match="row 7, column GHG Conversion Factor"):
        desnz.read("\n".join(lines).encode(), file_name="f", retrieved_on=RETRIEVED)


@needs_files
def test_the_edition_of_the_year_before_is_another_release(
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = PUBLISHED / "uk_desnz" / "ghg-conversion-factors-2024-flat-format.xlsx"
    assert main(["import", str(path), "--source", "desnz", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "desnz-2024: 2672 factors" in out
    assert "blank value" in out


@pytest.mark.parametrize("source", ["desnz", "epa-hub", "epa-supply-chain", "gwp"])
def test_a_wrong_file_is_refused_as_a_whole(
    source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "wrong.bin"
    wrong.write_bytes(b"a,b\n1,2\n")
    assert main(["import", str(wrong), "--source", source, "--out", str(tmp_path)]) == 1
    assert "refused: not a" in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["wrong.bin"]


def test_a_workbook_without_the_sheet_is_refused() -> None:
    import io

    import openpyxl

    book = openpyxl.Workbook()
    out = io.BytesIO()
    book.save(out)
    with pytest.raises(FileRejected, match="Factors by Category"):
        desnz.read(out.getvalue(), file_name="x.xlsx", retrieved_on=RETRIEVED)
