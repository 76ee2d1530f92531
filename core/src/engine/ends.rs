//! The two ends of a socket, as links and sessions keep them.

use std::net::{SocketAddr, SocketAddrV4};
use std::sync::Arc;

use super::ConnMeta;

/// A [`ConnMeta`] in a quarter of its room: in place if it is of IPv4, and otherwise shared by the link, its streams
/// and their sessions.
#[derive(Clone, Debug)]
pub(super) enum Ends {
    V4 {
        remote: SocketAddrV4,
        local: SocketAddrV4,
    },
    Shared(Arc<ConnMeta>),
}

impl Ends {
    pub(super) fn remote(&self) -> SocketAddr {
        match self {
            Self::V4 { remote, .. } => SocketAddr::V4(*remote),
            Self::Shared(meta) => meta.remote,
        }
    }

    pub(super) fn local(&self) -> SocketAddr {
        match self {
            Self::V4 { local, .. } => SocketAddr::V4(*local),
            Self::Shared(meta) => meta.local,
        }
    }

    pub(super) fn meta(&self) -> ConnMeta {
        ConnMeta {
            remote: self.remote(),
            local: self.local(),
        }
    }
}

impl From<ConnMeta> for Ends {
    fn from(meta: ConnMeta) -> Self {
        match (meta.remote, meta.local) {
            (SocketAddr::V4(remote), SocketAddr::V4(local)) => Self::V4 { remote, local },
            _ => Self::Shared(Arc::new(meta)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_small_and_what_they_were() {
        assert_eq!(size_of::<Ends>(), 16);
        for (remote, local) in [
            ("192.0.2.1:1", "192.0.2.2:65535"),
            ("192.0.2.1:1", "[::1]:2"),
            ("[fe80::1%7]:1", "[fe80::2%7]:2"),
        ] {
            let [remote, local] = [remote, local].map(|addr| addr.parse().unwrap());
            let meta = ConnMeta { remote, local };
            assert_eq!(Ends::from(meta).meta(), meta);
        }
    }
}
