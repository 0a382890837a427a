-- Units sold, summed by what the category counts as: a compound cold medicine is an antipyretic and a cough medicine.
WITH lines AS (
  SELECT
    message,
    pharmacy_id,
    sold_at,
    -- The person who is ill: the user where somebody else buys, else the buyer.
    CASE WHEN is_proxy THEN patient['id'] ELSE buyer['id'] END AS person_key,
    unnest(lines) AS line
  FROM raw
)
SELECT
  lines.message,
  concat('sale_', drug_categories.counts_as) AS signal,
  'facility' AS unit_kind,
  lines.pharmacy_id AS unit_id,
  lines.pharmacy_id AS facility_id,
  lines.sold_at AS event_time,
  sum(lines.line['qty']) AS value,
  lines.person_key
FROM lines
JOIN drug_categories ON drug_categories.category = lines.line['category']
GROUP BY lines.message, drug_categories.counts_as, lines.pharmacy_id, lines.sold_at, lines.person_key
