//! BERT and its relatives: RoBERTa, XLM-RoBERTa, CamemBERT, DistilBERT, ELECTRA, and DeBERTa, whose attention compares
//! distances too.

mod convolution;
pub mod deberta;
mod distances;
pub mod layer;
pub mod layout;
pub mod names;
pub mod settings;

pub use deberta::Deberta;
pub use settings::Settings;
