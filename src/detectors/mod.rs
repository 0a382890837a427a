//! The statistics of the field as pure functions over whole series: slices in, values out, one method a file.
//!
//! Promises: the answers of the references (R `surveillance` 1.20.3, CDC Rnssp 0.3.1), compared value by value in
//! `tests/detectors`. NaN is a missing day or an answer that is not available; missing is not zero.
//! Never: an alarm where there is no answer; a panic, whatever the series.

pub mod bayes;
mod calendar;
pub mod combine;
pub mod command;
mod counting_laws;
pub mod cusum;
pub mod ears;
pub mod essence;
mod essence_regression;
pub mod ewma;
mod far_tails;
pub mod farrington;
pub mod farrington_flexible;
mod gamma;
pub mod glr;
mod glr_negbin;
mod glr_poisson;
pub mod history;
mod lunar_new_year;
pub mod moving_percentile;
pub mod nowcast;
mod quasi_poisson;
mod reference_rows;
mod rolling;
pub mod scan;
pub mod scan_command;
mod seasonal;
mod seasonal_levels;
mod special;
pub mod unpacked;
mod weighted_sums;
