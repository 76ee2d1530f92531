//! What the HTTP proxy promises, as transcripts: bytes in, bytes and asks out.

mod connect;
mod cuts;
mod forward;
mod lifetime;
mod response;
mod rig;
mod site;
mod upgrade;
