//! Where words meet numbers: batches, tagging, evaluation.
