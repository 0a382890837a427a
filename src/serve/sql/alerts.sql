-- The newest revision of every alert.
SELECT {columns}
FROM (
  SELECT *, row_number() OVER (PARTITION BY alert_id ORDER BY revision DESC) AS place
  FROM alert_history
)
WHERE place = 1
