//! What the product promises, on real sockets and on both runtimes: each scenario is written once.

mod channels;
mod client_address;
mod credentials;
mod datagrams;
mod defects;
mod descriptors;
mod drain;
mod endings;
mod hostile;
mod http;
mod liveness;
mod loris;
mod memory;
mod names;
mod options;
mod policy;
mod process;
mod reload;
mod reverse;
mod site;
mod sniffing;
mod sockets;
mod splice;
mod targets;
mod upgrade;
