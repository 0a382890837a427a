# What R answers to each drawn case: one process for all of them.
#
#     Rscript reference.R CASES ANSWERS
#
# CASES holds one case a line, an R list; ANSWERS is a folder, one CSV a case. A period at which R stops has the reason in
# the column `stopped` and nothing else; a case that R refuses as a whole has one such row.
suppressMessages(suppressWarnings(library(surveillance)))

as_disprog <- function(case) {
  create.disProg(week = if (is.null(case$dates)) seq_along(case$observed) else case$dates, observed = case$observed,
                 state = rep(0, length(case$observed)), freq = case$freq, start = c(2001, case$start_period),
                 epochAsDate = !is.null(case$dates))
}

as_sts <- function(case) {
  population <- if (is.null(case$population)) rep(1, length(case$observed)) else case$population
  new("sts", epoch = if (is.null(case$dates)) seq_along(case$observed) else case$dates, freq = case$freq,
      start = c(2001, case$start_period), observed = matrix(case$observed), state = matrix(0, length(case$observed)),
      populationFrac = matrix(population), epochAsDate = !is.null(case$dates))
}

with_range <- function(case) c(list(range = case$from:length(case$observed)), case$control)

ears <- function(case) {
  found <- earsC(as_sts(case), with_range(case))
  data.frame(upperbound = as.vector(upperbound(found)), alarm = as.vector(found@alarm))
}

# Where a fitted mean hangs on the last digits of its columns R does not agree with itself: asked again with as many periods
# a year but for a few roundings, it answers something else. A tenth of what is allowed between R and ours is allowed here.
asked_again <- function(case, answer, run, allowed) {
  accident <- rep("", nrow(answer))
  for (rounding in c(1 - 4e-15, 1 + 4e-15)) {
    case_again <- case
    case_again$freq <- case$freq * rounding
    again <- tryCatch(run(case_again), error = function(e) NULL)
    if (is.null(again)) return(rep("its own answer hangs on roundings", nrow(answer)))
    for (column in setdiff(names(answer), "alarm")) {
      far <- abs(answer[[column]] - again[[column]]) / pmax(1, abs(answer[[column]]))
      accident[!is.na(far) & far > allowed / 10] <- "its own answer hangs on roundings"
    }
  }
  accident
}

chart <- function(case) {
  found <- algo.cusum(as_disprog(case), with_range(case))
  data.frame(cusum = found$cusum, upperbound = found$upperbound, m = as.vector(found$control$m), alarm = found$alarm)
}

cusum <- function(case) {
  answer <- chart(case)
  if (identical(case$control$m, "glm")) answer$accident <- asked_again(case, answer, chart, 1e-9)
  answer
}

# R's C code writes Mtilde zeros whatever is left of the series, and so beyond its memory when it restarts near the end.
# Days without a change are put behind the end, and their answers dropped: they change nothing that lies before.
with_quiet_days <- function(case) {
  days <- 2 * case$control$Mtilde + 2
  # Where a rate ratio is given its sign decides, and an epidemic only rises.
  theta <- case$control$theta
  falls <- case$control$change == "intercept" && (if (is.null(theta)) case$control$dir == "dec" else theta < 0)
  quiet <- if (falls) 1e5 else 0
  case$observed <- c(case$observed, rep(quiet, days))
  if (is.numeric(case$control$mu0)) case$control$mu0 <- c(case$control$mu0, rep(tail(case$control$mu0, 1), days))
  case
}

likelihood_ratio <- function(case) {
  run <- if (case$poisson) algo.glrpois else algo.glrnb
  longer <- with_quiet_days(case)
  found <- run(as_disprog(longer), with_range(longer))
  kept <- seq_along(case$from:length(case$observed))
  answer <- data.frame(statistic = as.vector(found$upperbound)[kept], mu0 = as.vector(found$control$mu0)[kept],
                       alpha = found$control$alpha, alarm = as.vector(found$alarm)[kept])
  # The dispersion of a model that meets all its counts is the inverse of what rounding left.
  models <- found$control$mu0Model$fitted
  meets_all <- length(models) > 0 && !case$poisson && is.null(case$control$alpha) &&
    all(abs(models[[1]]$y / fitted(models[[1]]) - 1) < 1e-6)
  attr(answer, "accident") <- if (meets_all) "the dispersion of no residual" else ""
  answer
}

glr <- function(case) {
  answer <- likelihood_ratio(case)
  accident <- attr(answer, "accident")
  if (!is.numeric(case$control$mu0)) {
    answer$accident <- asked_again(case, answer, likelihood_ratio, if (case$poisson) 1e-9 else 1e-6)
    if (accident != "") answer$accident <- accident
  }
  answer
}

# Period by period: where R stops at one, the others still have its answer.
each_period <- function(case, one) {
  rows <- lapply(case$from:length(case$observed), function(t) {
    tryCatch(one(c(list(range = t), case$control)), error = function(e) data.frame(stopped = conditionMessage(e)))
  })
  names <- unique(unlist(lapply(rows, names)))
  do.call(rbind, lapply(rows, function(row) {
    row[setdiff(names, names(row))] <- NA
    row[names]
  }))
}

hidden <- asNamespace("surveillance")
steps <- c("12" = "month", "52" = "week", "365" = "day")

# The answer of a reference value that the model must meet is an accident in R: whether it is taken for an outbreak, and
# with it its level dropped, is the sign of what rounding left of its residual, divided by zero.
meets_itself <- function(data, control, threshold, offset, levels) {
  if (!control$reweight) return(FALSE)
  for (trend in unique(c(control$trend, FALSE))) {
    model <- glm(as.formula(hidden$formulaGLM(offset, trend, levels)), data = data, family = quasipoisson())
    residuals <- hidden$anscombe.residuals(model, max(summary(model)$dispersion, 1))
    if (any(hatvalues(model) == 1 & (is.na(residuals) | residuals > threshold))) return(TRUE)
  }
  FALSE
}

# R's own answer is there already: that this look fails is no stop of R.
self_met <- function(...) if (tryCatch(meets_itself(...), error = function(e) FALSE)) "meets itself" else ""

# Equal reference values have a trend and a standard error that are both rounding, and so is what R makes of them: asked
# without trend.
all_equal <- function(data) all(tapply(data$response, data$seasgroups, function(y) length(unique(y)) <= 1), na.rm = TRUE)

farrington_1996 <- function(case) {
  series <- as_disprog(case)
  step <- steps[[as.character(case$freq)]]
  each_period(case, function(control) {
    t <- control$range
    used <- if (is.null(case$dates)) {
      unlist(lapply(control$b:1, function(i) (t - case$freq * i - control$w):(t - case$freq * i + control$w)))
    } else {
      hidden$refvalIdxByDate(as.Date(case$dates[t], origin = "1970-01-01"), control$b, control$w, paste("1", step), case$dates)
    }
    used <- used[!is.na(used) & used > 0]
    data <- data.frame(response = case$observed[used], wtime = used, seasgroups = 1)
    if (all_equal(data)) control$trend <- FALSE
    found <- algo.farrington(series, control)
    data.frame(upperbound = found$upperbound[1], quantile = found$control$pd[1, 1], median = found$control$pd[1, 2],
               alarm = found$alarm[1], accident = self_met(data, control, 1, FALSE, FALSE))
  })
}

flexible <- function(case) {
  series <- as_sts(case)
  days <- if (series@epochAsDate) as.Date(series@epoch, origin = "1970-01-01") else seq_along(series@epoch)
  step <- if (series@epochAsDate) steps[[as.character(series@freq)]] else "none"
  each_period(case, function(control) {
    past <- if (is.null(control$pastWeeksNotIncluded)) control$w else control$pastWeeksNotIncluded
    today <- days[control$range]
    data <- hidden$algo.farrington.data.glm(today, control$b, series@freq, series@epochAsDate, step, days, control$w,
                                            control$noPeriods, series@observed[, 1], series@populationFrac[, 1], FALSE, past,
                                            control$range)
    if (!control$populationOffset && all_equal(data)) control$trend <- FALSE
    found <- farringtonFlexible(series, control)
    # A window that begins one period before the series is used without that period, because R's index 0 is nothing;
    # every earlier one is refused.
    back <- hidden$algo.farrington.referencetimepoints(today, control$b, series@freq, series@epochAsDate, step)
    accident <- if (min(match(back, days)) == control$w) "window begins at index 0"
      else self_met(data, control, control$weightsThreshold, control$populationOffset, control$noPeriods > 1)
    of <- found@control
    # Where no model converged R leaves the 0 of the mean with which it began. Where a model has no residual degree of
    # freedom nothing is known; R says that there is no alarm and no trend.
    unknown <- is.na(of$phiVector[1])
    unless <- function(value) if (unknown) NA else value
    data.frame(expected = unless(of$expected[1]), mu0Vector = of$mu0Vector[1], phi = of$phiVector[1], trend = of$trendVector[1],
               doTrend = unless(of$trend[1]), upperbound = found@upperbound[1], pvalue = of$pvalue[1], score = of$score[1],
               alarm = unless(found@alarm[1]), accident = accident)
  })
}

predictive <- function(case) {
  series <- as_disprog(case)
  each_period(case, function(control) {
    found <- algo.bayes(series, control)
    data.frame(upperbound = found$upperbound[1], alarm = found$alarm[1])
  })
}

# No package computes it: the definition, and R's own quantile.
percentile <- function(case) {
  each_period(case, function(control) {
    years <- control$range - seq_len(control$years) * control$freq
    blocks <- unlist(lapply(years, function(centre) (centre - control$w):(centre + control$w)))
    blocks <- blocks[blocks < control$range]
    known <- case$observed[blocks]
    known <- known[!is.na(known)]
    found <- quantile(known, c(0.5, 0.75, 0.8, 0.9, control$percentile / 100), type = 7, names = FALSE)
    if (length(known) == 0 || length(blocks) - length(known) > control$missing_max) found <- rep(NA_real_, 5)
    y <- case$observed[control$range]
    alarm <- if (control$or_equal) y >= found[5] else y > found[5]
    data.frame(p50 = found[1], p75 = found[2], p80 = found[3], p90 = found[4], alarm = alarm)
  })
}

adjusted <- function(case) {
  p <- p.adjust(case$observed, case$control$method)
  data.frame(adjusted = p, alarm = p <= case$control$alpha)
}

kinds <- list(ears = ears, cusum = cusum, glr = glr, farrington = farrington_1996, farrington_flexible = flexible,
              bayes = predictive, moving_percentile = percentile, adjusted = adjusted)

written <- function(value) {
  if (is.character(value)) return(gsub("[\",\n]", " ", value))
  if (is.logical(value)) value <- as.numeric(value)
  ifelse(is.na(value), "", sprintf("%.17g", value))
}

arguments <- commandArgs(trailingOnly = TRUE)
for (line in readLines(arguments[1])) {
  case <- eval(parse(text = line, keep.source = FALSE))
  # What R prints to standard output on the way is no answer.
  invisible(capture.output(answer <- suppressMessages(suppressWarnings(
    tryCatch(kinds[[case$kind]](case), error = function(e) data.frame(stopped = conditionMessage(e)))))))
  answer[] <- lapply(answer, written)
  write.csv(answer, file.path(arguments[2], paste0(case$id, ".csv")), row.names = FALSE, quote = FALSE, na = "")
}
