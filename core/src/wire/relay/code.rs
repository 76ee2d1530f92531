//! Commands, networks and statuses, and their numbers.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Codes 0 and 1.
    Connect,
    Bind,
    Associate,
    Other(u8),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    #[default]
    Tcp,
    Udp,
    Ip,
    Unix,
    Serial,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Ok,
    BadRequest,
    Unauthorized,
    Forbidden,
    Timeout,
    ServiceUnavailable,
    HostUnreachable,
    NetUnreachable,
    InternalError,
    Other(u8),
}

impl From<u8> for Command {
    fn from(code: u8) -> Self {
        match code {
            0 | 1 => Self::Connect,
            2 => Self::Bind,
            3 => Self::Associate,
            other => Self::Other(other),
        }
    }
}

impl Command {
    pub fn code(self) -> u8 {
        match self {
            Self::Connect => 1,
            Self::Bind => 2,
            Self::Associate => 3,
            Self::Other(other) => other & 0x0f,
        }
    }
}

impl From<u16> for Network {
    /// Unknown networks mean TCP, as in gost.
    fn from(code: u16) -> Self {
        match code {
            0x01 => Self::Udp,
            0x02 => Self::Ip,
            0x10 => Self::Unix,
            0x11 => Self::Serial,
            _ => Self::Tcp,
        }
    }
}

impl Network {
    pub fn code(self) -> u16 {
        match self {
            Self::Tcp => 0x00,
            Self::Udp => 0x01,
            Self::Ip => 0x02,
            Self::Unix => 0x10,
            Self::Serial => 0x11,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Ip => "ip",
            Self::Unix => "unix",
            Self::Serial => "serial",
        }
    }
}

impl From<u8> for Status {
    fn from(code: u8) -> Self {
        match code {
            0 => Self::Ok,
            1 => Self::BadRequest,
            2 => Self::Unauthorized,
            3 => Self::Forbidden,
            4 => Self::Timeout,
            5 => Self::ServiceUnavailable,
            6 => Self::HostUnreachable,
            7 => Self::NetUnreachable,
            8 => Self::InternalError,
            other => Self::Other(other),
        }
    }
}

impl Status {
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::BadRequest => 1,
            Self::Unauthorized => 2,
            Self::Forbidden => 3,
            Self::Timeout => 4,
            Self::ServiceUnavailable => 5,
            Self::HostUnreachable => 6,
            Self::NetUnreachable => 7,
            Self::InternalError => 8,
            Self::Other(other) => other,
        }
    }

    /// For people.
    pub fn text(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::BadRequest => "bad request",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::Timeout => "timeout",
            Self::ServiceUnavailable => "service unavailable",
            Self::HostUnreachable => "host unreachable",
            Self::NetUnreachable => "network unreachable",
            Self::InternalError => "internal error",
            Self::Other(_) => "unknown status",
        }
    }
}
