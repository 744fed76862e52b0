"""Makes the demo workbook and the list of what must come out of it.

    python tests/data/make_demo.py

The expected figures are worked out here from the published tables, line by line: DESNZ 2025 (flat
file, factor id beside each), EPA supply-chain factors v1.3 with margins (NAICS code beside each).
Spend lines are of 2024: pounds and euros go to dollars with the ECB's annual averages (1 EUR =
1.0824 USD = 0.84662 GBP), and to 2022 prices with the US consumer price index (292.655 / 313.689).
"""

from __future__ import annotations

import csv
from pathlib import Path

from openpyxl import Workbook
from openpyxl.styles import Alignment, Font, PatternFill

HERE = Path(__file__).parent
CALCULATED, REVIEW, REJECTED = "calculated", "review", "rejected"
GBP = "1.0824 / 0.84662 * 292.655 / 313.689"
EUR = "1.0824 * 292.655 / 313.689"
USD = "292.655 / 313.689"

Line = tuple[tuple[object, ...], str, str, str]  # cells, outcome, factor, arithmetic

ACTIVITY_HEADER = ("Activity", "Category", "Notes", "Consumption", "UoM", "Country", "Month")
ACTIVITIES: list[Line] = [
    (
        (
            "Diesel - company vans",
            "Fuel",
            "average biofuel blend, fuel cards",
            1200,
            "litres",
            "UK",
            "2025-01",
        ),
        CALCULATED,
        "1_101_1011_8_1",
        "1200 * 2.57082",
    ),
    (
        (
            "Petrol, pool cars",
            "Fuel",
            "forecourt, average biofuel blend",
            "1,850.5",
            "ltr",
            "UK",
            "2025-01",
        ),
        CALCULATED,
        "1_101_1017_8_1",
        "1850.5 * 2.06916",
    ),
    (
        (
            "Natural gas - head office boiler",
            "Gas",
            "gross CV",
            "184,220",
            "kWh (Gross CV)",
            "UK",
            "2025-01",
        ),
        CALCULATED,
        "1_100_1004_6_1",
        "184220 * 0.18296",
    ),
    (
        (
            "Natural gas - workshop",
            "Gas",
            "supplier states net CV",
            10000,
            "kWh (Net CV)",
            "UK",
            "2025-02",
        ),
        CALCULATED,
        "1_100_1004_7_1",
        "10000 * 0.2027",
    ),
    (
        ("Natural gas, unit 7", "Gas", "billed in therms", "3,450", "therms", "UK", "2025-02"),
        CALCULATED,
        "1_100_1004_6_1",
        "3450 * 29.3071 * 0.18296",
    ),
    (
        (
            "Erdgas",
            "Energie",
            "Werk Kassel, Brennwert (Hs)",
            "96.400",
            "kWh",
            "Deutschland",
            "2025-02",
        ),
        CALCULATED,
        "1_100_1004_6_1",
        "96400 * 0.18296",
    ),
    (
        (
            "Gas oil (red diesel) for generator",
            "Fuel",
            "site delivery",
            2000,
            "litres",
            "UK",
            "2025-02",
        ),
        CALCULATED,
        "1_101_1014_8_1",
        "2000 * 2.75541",
    ),
    (
        ("Burning oil / kerosene", "Heating", "stores tank", 1500, "ltr", "UK", "2025-02"),
        CALCULATED,
        "1_101_1010_8_1",
        "1500 * 2.54016",
    ),
    (
        ("LPG for forklifts", "Fuel", "bulk tank", 820, "litres", "UK", "2025-03"),
        CALCULATED,
        "1_100_1003_8_1",
        "820 * 1.55713",
    ),
    (
        ("Wood pellets - biomass boiler", "Heating", "", 12.5, "tonnes", "UK", "2025-03"),
        CALCULATED,
        "2_104_1045_15_1",
        "12.5 * 55.19389",
    ),
    (
        (
            "Electricty - head office",
            "Electricity",
            "grid, half-hourly meter",
            "50,000",
            "kWh",
            "UK",
            "2025-01",
        ),
        CALCULATED,
        "7_400_4000_5_1",
        "50000 * 0.177",
    ),
    (
        (
            "Electricity - Bristol depot",
            "Electricity",
            "managing agent recharge",
            6.4,
            "MWh",
            "UK",
            "2025-02",
        ),
        CALCULATED,
        "7_400_4000_5_1",
        "6400 * 0.177",
    ),
    (
        (
            "Strom Büro Kassel",
            "Electricity",
            "Netzstrom",
            "18.300",
            "kWh",
            "Deutschland",
            "2025-02",
        ),
        REVIEW,
        "",
        "",
    ),
    (
        ("Electricity", "Electricity", "meter reading unclear", 100, "litres", "UK", "2025-03"),
        REVIEW,
        "",
        "",
    ),
    (
        ("District heat - Leeds office", "Heat", "", 22000, "kWh", "UK", "2025-03"),
        CALCULATED,
        "10_401_4003_5_1",
        "22000 * 0.17529",
    ),
    (
        (
            "R-410A top-up, chiller 2",
            "Refrigerant",
            "leak found at service",
            2,
            "kg",
            "UK",
            "2025-04",
        ),
        CALCULATED,
        "3_201_2156_3_1",
        "2 * 1924",
    ),
    (
        ("R404A leak, cold store", "Refrigerant", "", "3.5", "kg", "UK", "2025-04"),
        CALCULATED,
        "3_201_2120_3_1",
        "3.5 * 3943",
    ),
    (
        (
            "Flight London - Singapore, economy",
            "Business travel",
            "long-haul, 1 passenger",
            "10,850",
            "passenger.km",
            "UK",
            "2025-02",
        ),
        CALCULATED,
        "21_316_3170_11_1",
        "10850 * 0.11704",
    ),
    (
        (
            "Flight London - New York, business class",
            "Business travel",
            "long-haul, 1 passenger",
            "5,540",
            "pkm",
            "UK",
            "2025-03",
        ),
        CALCULATED,
        "21_316_3174_11_1",
        "5540 * 0.3394",
    ),
    (
        (
            "Flight Edinburgh - London",
            "Business travel",
            "domestic, average passenger",
            535,
            "passenger.km",
            "UK",
            "2025-03",
        ),
        CALCULATED,
        "21_316_3160_11_1",
        "535 * 0.22928",
    ),
    (
        (
            "Flight London - Madrid, economy",
            "Business travel",
            "short-haul",
            "1,260",
            "pax-km",
            "UK",
            "2025-04",
        ),
        CALCULATED,
        "21_316_3164_11_1",
        "1260 * 0.12576",
    ),
    (
        (
            "Train Leeds - London, national rail",
            "Business travel",
            "",
            850,
            "passenger-km",
            "UK",
            "2025-04",
        ),
        CALCULATED,
        "25_315_3147_11_1",
        "850 * 0.03546",
    ),
    (
        ("London Underground", "Business travel", "expense claims", 214, "pax-km", "UK", "2025-04"),
        CALCULATED,
        "25_315_3150_11_1",
        "214 * 0.0278",
    ),
    (
        ("Taxi - client visits", "Business travel", "regular taxi", 322, "km", "UK", "2025-04"),
        CALCULATED,
        "25_313_3141_4_1",
        "322 * 0.20806",
    ),
    (
        (
            "Employee car milage claims, petrol",
            "Business travel",
            "average car",
            "4,300",
            "miles",
            "UK",
            "2025-04",
        ),
        CALCULATED,
        "25_301_3070_9_1",
        "4300 * 0.26187",
    ),
    (
        ("Coach hire, staff event", "Business travel", "", "5,880", "pkm", "UK", "2025-05"),
        CALCULATED,
        "25_314_3146_11_1",
        "5880 * 0.02776",
    ),
    (
        (
            "Hotel nights Germany",
            "Business travel",
            "3 room nights",
            3,
            "room nights",
            "Germany",
            "2025-05",
        ),
        CALCULATED,
        "29_600_4017_13_1",
        "3 * 13.2",
    ),
    (
        ("Hotel stay London", "Business travel", "", 14, "nights", "UK", "2025-05"),
        CALCULATED,
        "29_600_4001_13_1",
        "14 * 11.5",
    ),
    (
        (
            "Road haulage, average HGV",
            "Freight",
            "average laden, subcontractor",
            "12,000",
            "tonne.km",
            "UK",
            "2025-05",
        ),
        CALCULATED,
        "27_304_3140_14_1",
        "12000 * 0.10163",
    ),
    (
        (
            "Air freight Hong Kong - London",
            "Freight",
            "long-haul",
            "38,600",
            "tkm",
            "UK",
            "2025-05",
        ),
        CALCULATED,
        "27_317_3156_14_1",
        "38600 * 0.89939",
    ),
    (
        (
            "Sea freight, container ship",
            "Freight",
            "average",
            "410,000",
            "tonne.km",
            "UK",
            "2025-05",
        ),
        CALCULATED,
        "27_320_3235_14_1",
        "410000 * 0.01612",
    ),
    (
        (
            "Delivery van milage, diesel",
            "Own fleet",
            "average van",
            "11,050",
            "miles",
            "UK",
            "2025-05",
        ),
        CALCULATED,
        "5_303_3102_9_1",
        "11050 * 0.41138",
    ),
    (
        (
            "General waste to landfill",
            "Waste",
            "commercial and industrial",
            14.2,
            "tonnes",
            "UK",
            "2025-06",
        ),
        CALCULATED,
        "20_507_5313_15_1",
        "14.2 * 520.5327",
    ),
    (
        ("Mixed paper and board to landfill", "Waste", "", 4, "tonnes", "UK", "2025-06"),
        CALCULATED,
        "20_506_5453_15_1",
        "4 * 1164.4894",
    ),
    (
        ("Food waste, anaerobic digestion", "Waste", "", 3750, "kg", "UK", "2025-06"),
        CALCULATED,
        "20_507_5293_15_1",
        "3.75 * 8.98311",
    ),
    (
        ("Water supply", "Water", "mains, all sites", "1,240", "m3", "UK", "2025-06"),
        CALCULATED,
        "17_404_4005_1_1",
        "1240 * 0.1913",
    ),
    (
        ("Waste water treatment", "Water", "", "1,110", "m³", "UK", "2025-06"),
        CALCULATED,
        "18_405_4006_1_1",
        "1110 * 0.17088",
    ),
    (
        (
            "Home working hours",
            "Employees",
            "equipment + heating",
            "18,560",
            "FTE hours",
            "UK",
            "2025-06",
        ),
        CALCULATED,
        "32_603_9999_12_1",
        "18560 * 0.33378",
    ),
    (
        (
            "12 laptops",
            "IT equipment",
            "delivery note only, no price",
            12,
            "units",
            "UK",
            "2025-06",
        ),
        REVIEW,
        "",
        "",
    ),
    (
        (
            "Diesel for hired crane",
            "Fuel",
            "ticket unreadable",
            "approx. 300",
            "litres",
            "UK",
            "2025-06",
        ),
        REJECTED,
        "",
        "",
    ),
    (("Packaging film", "Materials", "", 14, "pallets", "UK", "2025-06"), REJECTED, "", ""),
]

LEDGER_HEADER = ("Item", "Cost centre", "Amount", "Currency", "Country", "Date")
LEDGER: list[Line] = [
    (("Legal advice, solicitors", "Professional fees", "12,500.00", "GBP", "UK", "15/01/2024"),
     CALCULATED, "541110", f"12500 * {GBP} * 0.041"),
    (("Audit and accounting fees", "Professional fees", "31,000.00", "GBP", "UK", "31/01/2024"),
     CALCULATED, "541211", f"31000 * {GBP} * 0.054"),
    (("Cloud hosting", "IT", "41,087.33", "USD", "US", "29/02/2024"), CALCULATED, "518210",
     f"41087.33 * {USD} * 0.093"),
    (("Software licences", "IT", "18,400.00", "EUR", "DE", "29/02/2024"), CALCULATED, "511210",
     f"18400 * {EUR} * 0.08"),
    (("Office cleaning services", "Facilities", "22,640.50", "GBP", "UK", "31/03/2024"),
     CALCULATED, "561720", f"22640.5 * {GBP} * 0.214"),
    (("Catering for staff events", "People", "6,310.00", "GBP", "UK", "14/03/2024"), CALCULATED,
     "722320", f"6310 * {GBP} * 0.132"),
    (("Commercial printing, brochures", "Marketing", "9,870.00", "GBP", "UK", "22/03/2024"),
     CALCULATED, "323111", f"9870 * {GBP} * 0.236"),
    (("Office furniture, metal desks", "Facilities", "15,200.00", "EUR", "FR", "02/04/2024"),
     CALCULATED, "337214", f"15200 * {EUR} * 0.24"),
    (("Courier and express delivery", "Logistics", "4,410.75", "GBP", "UK", "30/04/2024"),
     CALCULATED, "492110", f"4410.75 * {GBP} * 0.303"),
    (("Advertising agency", "Marketing", "27,000.00", "GBP", "UK", "30/04/2024"), CALCULATED,
     "541810", f"27000 * {GBP} * 0.085"),
    (("Engineering consultancy", "Projects", "58,000.00", "GBP", "UK", "17/05/2024"), CALCULATED,
     "541330", f"58000 * {GBP} * 0.103"),
    (("Security guards", "Facilities", "19,300.00", "GBP", "UK", "31/05/2024"), CALCULATED,
     "561612", f"19300 * {GBP} * 0.074"),
    (("Laundry of workwear, industrial launderer", "Facilities", "3,120.00", "GBP", "UK",
      "31/05/2024"), CALCULATED, "812332", f"3120 * {GBP} * 0.158"),
    (("Landscaping and grounds maintenance", "Facilities", "7,450.00", "GBP", "UK", "14/06/2024"),
     CALCULATED, "561730", f"7450 * {GBP} * 0.214"),
    (("Management training", "People", "11,600.00", "USD", "US", "20/06/2024"), CALCULATED,
     "611430", f"11600 * {USD} * 0.108"),
    (("Returned office furniture, metal desks (credit note)", "Facilities", "(1,900.00)", "EUR",
      "FR", "28/06/2024"), CALCULATED, "337214", f"-1900 * {EUR} * 0.24"),
]  # fmt: skip


def main() -> None:
    """Write demo.xlsx and demo_expected.csv beside this file."""
    book = Workbook()
    first = book.active
    assert first is not None
    expected: list[tuple[object, ...]] = []
    fill(first, "Energy, travel, waste 2025", expected,
         ("Harbour & Hill Ltd: activity data for the carbon footprint",
          "Collected by Facilities, January to June 2025 (please check marked cells)"),
         ACTIVITY_HEADER, ACTIVITIES, blank_after=17, total=None)  # fmt: skip
    fill(book.create_sheet(), "Purchase ledger 2024", expected,
         ("Purchase ledger extract, H1 2024",), LEDGER_HEADER, LEDGER, blank_after=None,
         total=("Total", None, "285,988.58", None, None, None))  # fmt: skip
    book.save(HERE / "demo.xlsx")
    with (HERE / "demo_expected.csv").open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("sheet", "row", "outcome", "factor", "arithmetic"))
        writer.writerows(expected)


def fill(sheet, title, expected, preamble, header, lines, *, blank_after, total) -> None:  # type: ignore[no-untyped-def]
    """Write one sheet the way people do, and note what each row must become."""
    sheet.title = title
    for text in preamble:
        sheet.append([text])
        sheet.merge_cells(start_row=sheet.max_row, end_row=sheet.max_row, start_column=1,
                          end_column=len(header))  # fmt: skip
        sheet.cell(sheet.max_row, 1).font = Font(bold=True, size=12)
    row = len(preamble) + 2  # a blank line before the header
    for column, heading in enumerate(header, 1):
        cell = sheet.cell(row, column, heading)
        cell.font = Font(bold=True)
        cell.fill = PatternFill("solid", fgColor="DDE8E0")
        cell.alignment = Alignment(horizontal="center")
    for number, (cells, outcome, factor, arithmetic) in enumerate(lines, 1):
        row += 1
        for column, value in enumerate(cells, 1):
            sheet.cell(row, column, value if value != "" else None)
        expected.append((title, row, outcome, factor, arithmetic))
        if number == blank_after:
            row += 1
            expected.append((title, row, REJECTED, "", ""))
    if total:
        row += 1
        for column, value in enumerate(total, 1):
            sheet.cell(row, column, value).font = Font(bold=True)
        expected.append((title, row, REJECTED, "", ""))
    for column, width in zip("ABCDEFG", (44, 18, 36, 14, 16, 14, 12), strict=True):
        sheet.column_dimensions[column].width = width


if __name__ == "__main__":
    main()
