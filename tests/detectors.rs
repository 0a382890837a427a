//! Every detector against the numbers of its reference, value by value, empties and alarms included.

mod edges;
mod manifest;
mod power;
mod nowcast;
mod nowcast_worlds;
mod real_outbreaks;
mod scan;
mod scan_brute_force;
mod scan_edges;
mod scan_files;
mod series;
mod sql;
mod table;
