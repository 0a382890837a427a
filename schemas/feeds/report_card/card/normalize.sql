-- A card is one case, on the day of onset; where that is unknown, on the day of diagnosis.
-- The area is the residence, by today's code: a card of 2018 with a code since replaced joins the same series.
WITH cards AS (
  SELECT message, disease_code, card_id, report_org, residence_area, id_no, coalesce(onset_date, local_date(diagnosed_at)) AS event_date
  FROM raw
)
SELECT
  message,
  concat('case_', lower(disease_code)) AS signal,
  'case' AS unit_kind,
  card_id AS unit_id,
  report_org AS facility_id,
  area_at(residence_area, event_date) AS area_code,
  event_date,
  1 AS value,
  id_no AS person_key
FROM cards
