//! What runs can do beside training: error detection, logs, recipes, reports.

mod data;
mod ged;
mod harness;
mod logging;
mod recipes;
mod report;
mod span_plan;
