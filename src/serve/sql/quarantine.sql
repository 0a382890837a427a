-- All but the encrypted message; resolved = what was sent again, for it or for the message that it retried itself, was accepted.
WITH accepted AS (
  SELECT DISTINCT retry_of AS coordinates
  FROM stored_signals
  WHERE retry_of IS NOT NULL
)
SELECT {columns}, r.coordinates IS NOT NULL AS resolved
FROM stored_quarantine q
LEFT JOIN accepted r
  ON r.coordinates = coalesce(
    q.retry_of,
    concat(q.topic, '/', CAST(q."partition" AS VARCHAR), '/', CAST(q."offset" AS VARCHAR))
  )
