//! Configuration: sources to model (load), model to plan (lower).

pub mod check;
mod copies;
pub mod fetch;
pub mod keys;
pub mod load;
pub mod lower;
mod misplaced;
pub mod model;
pub mod normal;
pub mod options;
mod order;
pub mod origins;
pub mod print;
pub mod repair;
pub mod schema;
pub(crate) mod text;
pub mod tree;
pub mod value;
pub mod yaml;
