//! What finished runs are told of: a table that compares them, and a page of HTML that needs nothing else.

pub mod about;
mod chart;
pub(crate) mod clock;
pub mod diagnosis;
pub mod entities;
mod entity_page;
pub(crate) mod figures;
mod finished;
pub(crate) mod html;
mod html_table;
mod markdown_table;
pub mod model_card;
mod page;
mod seeds;
mod table;
mod tensorboard;
pub mod tracking;

pub use finished::Finished;
pub use page::page;
pub use table::markdown;
