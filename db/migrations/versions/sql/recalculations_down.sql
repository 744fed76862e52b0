SET ROLE tonnage_owner;

DROP TABLE recalculation_rows, recalculation_slices, recalculation_decisions, recalculation_files,
    recalculations;

RESET ROLE;
