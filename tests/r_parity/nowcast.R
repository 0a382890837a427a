# R's nowcasts of drawn triangles: Rscript nowcast.R FOLDER NOW JUDGED DELAY_MAX DAYS, a file N.csv for each, answers in N.r.csv.
# The beta-negative-binomial of Hoehle & an der Heiden 2014 needs no recommended package.
suppressMessages(library(surveillance))
given <- commandArgs(trailingOnly = TRUE)
now <- as.Date(given[2])
when <- seq(now - as.integer(given[3]) + 1, now, by = "1 day")
for (file in list.files(given[1], pattern = "^[0-9]+\\.csv$", full.names = TRUE)) {
  reports <- read.csv(file)
  reports$event <- as.Date(reports$event_date)
  reports$report <- as.Date(reports$known_date)
  # What was told later is not R's to see.
  reports <- reports[reports$report <= now, ]
  day <- nrow(reports) / as.integer(given[5])
  most <- ceiling(4 * max(table(reports$event)) + 50)
  control <- list(dRange = c(min(reports$event), now), alpha = 0.05, N.tInf.max = most,
                  # As wide beside its mean as in the vignette, which has 50 and 3000.
                  N.tInf.prior = structure("poisgamma", mean.lambda = day, var.lambda = day + 1.2 * day^2))
  invisible(capture.output(
    found <- nowcast(now = now, when = when, data = reports, dEventCol = "event", dReportCol = "report",
                     method = "bayes.notrunc", D = as.integer(given[4]), control = control)))
  at <- match(when, as.Date(epoch(found)))
  write.csv(data.frame(event_date = when, lower = found@pi[at, 1, 1], upper = found@pi[at, 1, 2]),
            sub("\\.csv$", ".r.csv", file), row.names = FALSE, quote = FALSE)
}
