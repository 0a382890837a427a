-- Units of one category and day; a compound cold medicine counts as antipyretic and as cough medicine.
-- The slot is the category sent, so that what is sent apart can be told apart.
SELECT
  raw.message,
  concat('sale_', drug_categories.counts_as) AS signal,
  'facility' AS unit_kind,
  raw.pharmacy_id AS unit_id,
  raw.pharmacy_id AS facility_id,
  raw.date AS event_date,
  raw.units AS value,
  raw.category AS slot
FROM raw
JOIN drug_categories ON drug_categories.category = raw.category
