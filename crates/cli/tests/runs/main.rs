//! What runs can do beside training: error detection, logs, recipes, reports.

mod data;
mod folders;
mod ged;
mod harness;
mod kills;
mod labels;
mod logging;
mod recipes;
mod report;
mod span_plan;
