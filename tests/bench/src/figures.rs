//! What is measured of a pair.

use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Figure {
    Down,
    Up,
    Down8,
    Up8,
    Connection,
    P50,
    P99,
    DownP50,
    DownP99,
    UpP50,
    UpP99,
    DownSender,
    DownReceiver,
    UpSender,
    UpReceiver,
    DownSleeps,
    UpSleeps,
    Base,
    Idle,
    Burst,
    Closed,
}

/// In the order of the table. CPU and memory are those of both processes together.
pub const ALL: [(Figure, &str); 21] = [
    (Figure::Down, "CPU s/GiB, down"),
    (Figure::Up, "CPU s/GiB, up"),
    (Figure::Down8, "CPU s/GiB, down, 8 streams"),
    (Figure::Up8, "CPU s/GiB, up, 8 streams"),
    (Figure::Connection, "CPU µs, a new connection"),
    (Figure::P50, "round trip of 64 bytes, µs, p50"),
    (Figure::P99, "p99"),
    (Figure::DownP50, "the same beside a download, p50"),
    (Figure::DownP99, "p99"),
    (Figure::UpP50, "the same beside an upload, p50"),
    (Figure::UpP99, "p99"),
    (Figure::DownSender, "system calls/MiB, down, server"),
    (Figure::DownReceiver, "client"),
    (Figure::UpSender, "system calls/MiB, up, client"),
    (Figure::UpReceiver, "server"),
    (Figure::DownSleeps, "sleeps/MiB, down"),
    (Figure::UpSleeps, "up"),
    (Figure::Base, "resident without connections, MiB"),
    (Figure::Idle, "KiB more, an idle connection"),
    (Figure::Burst, "after 64 KiB on each"),
    (Figure::Closed, "after their close"),
];

/// What could not be measured is not there.
pub type Figures = BTreeMap<Figure, f64>;
