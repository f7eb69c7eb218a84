//! What runs can do beside training: error detection, logs, recipes, reports.

mod ged;
mod harness;
mod labels;
mod logging;
mod recipes;
mod report;
mod span_plan;
