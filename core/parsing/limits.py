"""How large a file may be inside. Each limit is there because something breaks beyond it."""

from __future__ import annotations

# XLSX archive
ZIP_ENTRIES = 2_000
ZIP_DIRECTORY_BYTES = 2_000_000  # zipfile loads the whole directory: 2,000 entries × 1 kB
ZIP_TOTAL_BYTES = 300_000_000  # inflated; 2.7 MB can hold 900 MB of XML
ZIP_RATIO = 100  # inflated / packed, looked at beyond ZIP_RATIO_FLOOR
# Ten thousand equal rows compress 200-fold and harm nobody; what a parser must hold is the size.
ZIP_RATIO_FLOOR = 20_000_000

# XLSX sheets. Calamine holds the rectangle that spans all cells, 32 bytes each: two cells in
# A1 and XFD1048576 make it ask for 550 GB and abort the process.
SHEET_ROWS = 1_048_576  # the format's own
SHEET_COLUMNS = 500
SHEET_AREA = 12_000_000  # cells of the rectangle: 384 MB in calamine
WORKBOOK_CELLS = 6_000_000  # cells that are written, in all sheets
WORKBOOK_SHEETS = 100
SHEET_NAME_CHARACTERS = 255  # programs take 31; the name is part of an index entry of every row
XML_DEPTH = 1_000  # elements within elements; expat keeps all that are open, 100 bytes each
XML_ELEMENTS = 32_000_000  # of all parts: 6 million cells of three, their texts and formatting
# One tag, comment or instruction: expat < 2.6 begins it anew with every piece that it is fed.
XML_TOKEN_BYTES = 1_000_000
MERGED_RANGES = 100_000

# Delimited text
RECORD_COLUMNS = 500
FIELD_CHARACTERS = 1_000_000  # a longer field is a quote that is never closed

# Rows of any file
TABLES = 200  # of all sheets together: each has its columns judged and told about
TABLE_COLUMNS = 20_000  # of all tables together
HEADING_CHARACTERS = 500  # of a heading that anything is made of
CELL_CHARACTERS = 32_767  # what a spreadsheet cell can hold; the row is rejected beyond
FILE_ROWS = 5_000_000
PART_ROWS = 50_000
PART_CHARACTERS = 32_000_000  # in memory before a part is written: 50,000 rows of 640 characters

# Packed texts: 5 million rows of 200 characters
GZIP_TOTAL_BYTES = 1_000_000_000
GZIP_MEMBERS = 100_000  # bgzip writes one a 64 kB; millions of empty ones only take time

# JSON: characters of one object, which the parser must hold as a whole
OBJECT_CHARACTERS = 4_000_000

# Parquet: bytes of all columns when unpacked, as the file says; the child's memory holds if it lies
PARQUET_TOTAL_BYTES = 2_000_000_000
