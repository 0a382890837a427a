# R's nowcasts of the EHEC O104:H4 outbreak, every day from 2011-05-25 to 2011-06-24, for the last ten days of each.
# Rscript nowcast.R ehec_o104_germany_2011.csv r_nowcast.csv, with R 4.2.2 and surveillance 1.20.3.
suppressMessages(library(surveillance))
files <- commandArgs(trailingOnly = TRUE)
reports <- read.csv(files[1])
reports$event <- as.Date(reports$date_hospitalised)
reports$report <- as.Date(reports$date_report_arrived)
set.seed(1)
control <- list(dRange = range(reports$event), alpha = 0.05, N.tInf.max = 300,
                N.tInf.prior = structure("poisgamma", mean.lambda = 50, var.lambda = 3000), nSamples = 1000)
answers <- NULL
for (day in 0:30) {
  now <- as.Date("2011-05-25") + day
  when <- seq(now - 9, now, by = "1 day")
  for (method in c("bayes.notrunc", "bayes.trunc")) {
    # bayes.trunc stops on the first two days.
    found <- try(nowcast(now = now, when = when, data = reports, dEventCol = "event", dReportCol = "report",
                         method = method, D = 15, control = control), silent = TRUE)
    if (inherits(found, "try-error")) next
    at <- match(when, as.Date(epoch(found)))
    answers <- rbind(answers, data.frame(method = method, now = now, event_date = when,
                                         lower = found@pi[at, 1, 1], upper = found@pi[at, 1, 2]))
  }
}
write.csv(answers, files[2], row.names = FALSE, quote = FALSE)
