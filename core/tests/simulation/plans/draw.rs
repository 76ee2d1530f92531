//! Settings drawn from a seed.

use ginnel_core::plan::{Channel, ConnectorKind, HandlerKind, Mux};
use ginnel_core::wire::proxy_protocol::Version;

use super::Setting;
use crate::program::Speaks;
use crate::random::Random;

impl Setting {
    pub fn draw(random: &mut Random, tls: bool) -> Self {
        let channels: &[Channel] = match tls {
            false => &[Channel::Tcp, Channel::Ws, Channel::Mws, Channel::Mws],
            true => &[Channel::Tls, Channel::Wss, Channel::Mwss],
        };
        let count = [0, 1, 1, 1, 2, 2][random.below(6)];
        let hops = (0..count).map(|_| hop(random, channels)).collect();
        let mut setting = Self::with(random, hops);
        setting.speaker = random.chance(4).then(|| random.below(100_000));
        setting.cuts = random.chance(3);
        // Peers that did not agree on version 2 begin with windows larger than all of it.
        let windows = setting.mux.version == 2 && !setting.mux.agree;
        if random.chance(3) && !windows {
            // Unfinished compressed messages and TLS handshakes cost something each.
            let roomy = tls || setting.compression;
            setting.memory = Some(if roomy { 16 << 20 } else { 256 << 10 });
        }
        setting
    }

    /// One or two hops over these channels.
    pub fn over(random: &mut Random, channels: &[Channel]) -> Self {
        let count = 1 + random.below(2);
        let hops = (0..count).map(|_| hop(random, channels)).collect();
        let mut setting = Self::with(random, hops);
        setting.speaker = random.chance(4).then(|| random.below(100_000));
        setting
    }

    /// One hop, without a mux.
    pub fn plain(random: &mut Random) -> Self {
        let hops = vec![hop(random, &[Channel::Tcp, Channel::Ws])];
        Self::with(random, hops)
    }

    /// A socket file that a relay node reaches.
    pub fn socket_file(random: &mut Random) -> Self {
        let channels = [Channel::Tcp, Channel::Ws, Channel::Mws];
        let count = 1 + random.below(2);
        let mut hops: Vec<_> = (0..count).map(|_| hop(random, &channels)).collect();
        let (_, connector, handler) = &mut hops[count - 1];
        (*connector, *handler) = (ConnectorKind::Relay, HandlerKind::Relay);
        let mut setting = Self::with(random, hops);
        (setting.speaks, setting.entry) = (Speaks::Raw, HandlerKind::Forward);
        setting.file = true;
        setting.speaker = random.chance(3).then(|| random.below(20_000));
        setting
    }

    /// A link-local target, which http nodes cannot be told. Without hops, the entry connects to it.
    pub fn zoned(random: &mut Random) -> Self {
        let channels = [Channel::Tcp, Channel::Ws, Channel::Mws];
        let mut hops: Vec<_> = (0..random.below(3))
            .map(|_| hop(random, &channels))
            .collect();
        if let Some((_, connector, handler)) = hops.last_mut()
            && *connector == ConnectorKind::Http
        {
            (*connector, *handler) = (ConnectorKind::Socks5, HandlerKind::Auto);
        }
        let mut setting = Self::with(random, hops);
        (setting.speaks, setting.entry) = (Speaks::Raw, HandlerKind::Forward);
        setting.zoned = true;
        setting
    }

    /// Datagrams from a udp listener, or of SOCKS5 UDP ASSOCIATE, by nodes that carry them.
    pub fn datagrams(random: &mut Random, associate: bool) -> Self {
        let channels = [Channel::Tcp, Channel::Ws, Channel::Mws];
        let count = random.below(3);
        let mut hops: Vec<_> = (0..count).map(|_| hop(random, &channels)).collect();
        if let Some((_, connector, handler)) = hops.last_mut() {
            (*connector, *handler) = carriers(random);
        }
        let mut setting = Self::with(random, hops);
        setting.entry = match associate {
            true => [HandlerKind::Socks5, HandlerKind::Auto][random.below(2)],
            false => HandlerKind::Forward,
        };
        setting.queue = [1, 3, 128][random.below(3)];
        setting.memory = random.chance(3).then_some(256 << 10);
        setting.listens = if associate {
            Channel::Tcp
        } else {
            Channel::Udp
        };
        setting
    }

    /// A port that the last hop opens.
    pub fn reverse(random: &mut Random) -> Self {
        let channels = [Channel::Tcp, Channel::Ws, Channel::Mws];
        let count = 1 + random.below(2);
        let mut hops: Vec<_> = (0..count).map(|_| hop(random, &channels)).collect();
        let (_, connector, handler) = &mut hops[count - 1];
        (*connector, *handler) = [
            (ConnectorKind::Relay, HandlerKind::Relay),
            (ConnectorKind::Socks5, HandlerKind::Socks5),
            (ConnectorKind::Socks5, HandlerKind::Auto),
        ][random.below(3)];
        let mut setting = Self::with(random, hops);
        setting.entry = HandlerKind::Forward;
        setting.listens = Channel::Rtcp;
        setting.speaker = random.chance(2).then(|| random.below(50_000));
        setting
    }

    /// The same for datagrams.
    pub fn reverse_datagrams(random: &mut Random) -> Self {
        let queue = [2, 128][random.below(2)];
        Self {
            listens: Channel::Rudp,
            queue,
            small: false,
            ..Self::reverse(random)
        }
    }

    pub fn muxed(random: &mut Random) -> Self {
        let hops = vec![hop(random, &[Channel::Mws])];
        Self::with(random, hops)
    }

    pub fn with(random: &mut Random, hops: Vec<(Channel, ConnectorKind, HandlerKind)>) -> Self {
        let agree = random.chance(2);
        let (speaks, entry) = [
            (Speaks::Socks5, HandlerKind::Socks5),
            (Speaks::Socks5, HandlerKind::Auto),
            (Speaks::Socks4a, HandlerKind::Auto),
            (Speaks::Connect, HandlerKind::Http),
            (Speaks::Connect, HandlerKind::Auto),
            (Speaks::Raw, HandlerKind::Forward),
        ][random.below(6)];
        Self {
            speaks,
            entry,
            listens: Channel::Tcp,
            queue: 128,
            hops,
            mux: Mux {
                version: 1 + random.below(2) as u8,
                agree,
                max_frame: [100, 1500, 32768, 65535][random.below(4)],
                max_receive: [70_000, 4_194_304][random.below(2)],
                max_agreed: [70_000, 64 << 20][random.below(2)],
                max_stream: [4000, 65536][random.below(2)],
                ..Mux::default()
            },
            compression: random.chance(4),
            max_frame: random.chance(4).then(|| 50 + random.below(3000)),
            nodelay: random.chance(2),
            proxied: [None, None, Some(Version::V1), Some(Version::V2)][random.below(4)],
            hidden: random.chance(3),
            file: false,
            zoned: false,
            speaker: None,
            cuts: false,
            memory: None,
            small: random.chance(4),
            splice: [None, Some(1), Some(30), Some(1000)][random.below(4)],
        }
    }
}

fn hop(random: &mut Random, channels: &[Channel]) -> (Channel, ConnectorKind, HandlerKind) {
    let channel = channels[random.below(channels.len())];
    let (connector, handler) = [
        (ConnectorKind::Http, HandlerKind::Http),
        (ConnectorKind::Http, HandlerKind::Auto),
        (ConnectorKind::Socks5, HandlerKind::Socks5),
        (ConnectorKind::Socks5, HandlerKind::Auto),
        (ConnectorKind::Socks4, HandlerKind::Socks4),
        (ConnectorKind::Relay, HandlerKind::Relay),
    ][random.below(6)];
    (channel, connector, handler)
}

fn carriers(random: &mut Random) -> (ConnectorKind, HandlerKind) {
    [
        (ConnectorKind::Http, HandlerKind::Http),
        (ConnectorKind::Http, HandlerKind::Auto),
        (ConnectorKind::Socks5, HandlerKind::Socks5),
        (ConnectorKind::Socks5, HandlerKind::Auto),
        (ConnectorKind::Relay, HandlerKind::Relay),
    ][random.below(5)]
}
