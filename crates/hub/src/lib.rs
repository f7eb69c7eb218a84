//! Names become local files: models and data sets.
