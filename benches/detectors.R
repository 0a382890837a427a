# R's answers and seconds: Rscript detectors.R FOLDER WEEKS, a file of doubles for each method, `seconds` with method and seconds.
# Only the loop of calls is timed, one call a series; what a call is given was made before.
suppressMessages(suppressWarnings(library(surveillance)))
# A fit that does not converge is told by its answer.
options(warn = -1)
given <- commandArgs(trailingOnly = TRUE)
folder <- given[1]
weeks <- as.integer(given[2])
last <- 160
past <- 60

file <- file.path(folder, "series")
counts <- matrix(readBin(file, "double", file.size(file) / 8, endian = "little"), nrow = weeks)
rows <- function(from) lapply(seq_len(ncol(counts)), function(series) counts[(weeks - from + 1):weeks, series])
as_sts <- function(values) {
  new("sts", epoch = seq_along(values), freq = 52, start = c(2001, 1), observed = matrix(values),
      state = matrix(0, length(values)), populationFrac = matrix(1, length(values)))
}
as_disprog <- function(values) {
  create.disProg(week = seq_along(values), observed = values, state = rep(0, length(values)), freq = 52, start = c(2001, 1))
}

timed <- function(method, inputs, call, answer) {
  found <- vector("list", length(inputs))
  seconds <- system.time(for (series in seq_along(inputs)) found[[series]] <- call(inputs[[series]]))[["user.self"]]
  writeBin(as.double(unlist(lapply(found, answer))), file.path(folder, method), endian = "little")
  cat(method, seconds, "\n", file = file.path(folder, "seconds"), append = TRUE)
}

bounds <- function(found) c(as.vector(found@upperbound), as.vector(found@alarm))

short <- lapply(rows(last), as_sts)
timed("ears_c1", short, function(sts) earsC(sts, list(method = "C1", range = 8:last)), bounds)

timed("farrington_flexible", lapply(rows(weeks), as_sts), function(sts) {
  farringtonFlexible(sts, list(range = weeks, b = 5, w = 3, noPeriods = 10, pastWeeksNotIncluded = 26, weightsThreshold = 2.58,
                               pThresholdTrend = 1, thresholdMethod = "nbPlugin", alpha = 0.005))
}, bounds)

short <- lapply(rows(last), as_disprog)
timed("cusum", short, function(series) {
  algo.cusum(series, list(range = (past + 1):last, k = 1.04, h = 2.26, m = NULL, trans = "standard"))
}, function(found) c(found$cusum, found$alarm))

# R's C code writes a zero beyond the end where a chart restarts there: four quiet weeks stand behind it, and are dropped.
kept <- seq_len(last - past)
quiet <- lapply(rows(last), function(values) {
  list(series = as_disprog(c(values, rep(0, 4))), mean = rep(max(mean(values[seq_len(past)]), 0.1), last - past + 4))
})
timed("glr_poisson", quiet, function(one) {
  algo.glrpois(one$series, list(range = (past + 1):(last + 4), c.ARL = 5, mu0 = one$mean, Mtilde = 1, M = -1,
                                change = "intercept", ret = "value"))
}, function(found) c(found$upperbound[kept], found$alarm[kept]))
