"""The columns of a raw part."""

from __future__ import annotations

import pyarrow as pa

from core.records import Field

# A raw part. One row is one row below a header, as written: a text column per Field, the whole
# record in `cells`, and in `typed` the fields that the workbook held as numbers, whose text is
# therefore always with a decimal point.
RAW_SCHEMA = pa.schema(
    [
        pa.field("sheet", pa.string(), nullable=False),
        pa.field("row_number", pa.int32(), nullable=False),
        pa.field("column_number", pa.int32(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        *(pa.field(str(field), pa.string()) for field in Field),
        pa.field("typed", pa.list_(pa.string())),
        pa.field("cells", pa.list_(pa.string())),
    ]
)
# What validation reads: the texts of fields, not the record as a whole.
VALIDATED = [name for name in RAW_SCHEMA.names if name != "cells"]
