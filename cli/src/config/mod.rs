//! Configuration: sources to model (load), model to plan (lower).

pub mod check;
pub mod fetch;
pub mod keys;
pub mod load;
pub mod lower;
mod lower_channel;
mod lower_edge;
pub(crate) mod lower_group;
mod lower_node;
pub(crate) mod lower_policy;
mod lower_resolver;
mod lower_site;
mod lower_target;
mod lower_udp;
mod lower_users;
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
