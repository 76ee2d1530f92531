//! Handlers and connectors as peers see them: exact bytes, any cuts, and each against the other.

mod bind;
mod connectors;
mod datagrams;
mod handlers;
mod pairs;
mod support;
