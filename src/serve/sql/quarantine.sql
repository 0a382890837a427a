-- All but the encrypted message; resolved = a later message says that it retries this one.
WITH retried AS (
  SELECT DISTINCT retry_of AS coordinates
  FROM stored_quarantine
  WHERE retry_of IS NOT NULL
)
SELECT {columns}, r.coordinates IS NOT NULL AS resolved
FROM stored_quarantine q
LEFT JOIN retried r
  ON r.coordinates = concat(q.topic, '/', CAST(q."partition" AS VARCHAR), '/', CAST(q."offset" AS VARCHAR))
