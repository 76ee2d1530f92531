//! Rules and detours of the engine, with a scripted network and a fake clock.

mod detours;
mod limits;
mod resolver;
mod rig;
mod sniffing;
mod zones;
