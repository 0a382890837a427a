-- Units of one category and day; a compound cold medicine counts as antipyretic and as cough medicine.
SELECT
  raw.message,
  concat('sale_', drug_categories.counts_as) AS signal,
  'facility' AS unit_kind,
  raw.pharmacy_id AS unit_id,
  raw.pharmacy_id AS facility_id,
  raw.date AS event_date,
  raw.units AS value
FROM raw
JOIN drug_categories ON drug_categories.category = raw.category
