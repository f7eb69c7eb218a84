//! What finished runs are told of: a table that compares them, and a page of HTML that needs nothing else.

mod chart;
pub mod diagnosis;
mod finished;
mod html;
pub mod model_card;
mod page;
mod table;
mod tensorboard;
pub mod tracking;

pub use finished::Finished;
pub use page::page;
pub use table::markdown;
