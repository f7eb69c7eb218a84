//! What runs can do beside training: error detection, logs, recipes, reports.

mod data;
mod folders;
mod ged;
mod harness;
#[cfg(target_os = "linux")]
mod interrupts;
mod kills;
mod labels;
mod logging;
mod recipes;
mod report;
mod span_plan;
