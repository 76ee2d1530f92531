//! The order in which the addresses of a name are tried (RFC 8305, "happy eyeballs").

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// Between the starts of two attempts, when the earlier one has not failed (RFC 8305, 8).
pub const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Addresses of one name that are tried at most.
const MOST: usize = 16;

/// IPv6 and IPv4 by turns, IPv6 first; each family in the order of the resolver (RFC 8305, 4).
pub fn interleave(addrs: impl IntoIterator<Item = SocketAddr>) -> VecDeque<SocketAddr> {
    let (v6, v4): (Vec<_>, Vec<_>) = addrs.into_iter().partition(SocketAddr::is_ipv6);
    let longer = v6.len().max(v4.len());
    let turn = |index| [v6.get(index), v4.get(index)];
    let order = (0..longer).flat_map(turn).flatten();
    order.copied().take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_families_take_turns() {
        let order = |text: &str| {
            let addrs = text.split_whitespace().map(|addr| addr.parse().unwrap());
            let order = interleave(addrs)
                .into_iter()
                .map(|addr: SocketAddr| addr.to_string());
            order.collect::<Vec<_>>().join(" ")
        };
        let got = order("10.0.0.1:1 10.0.0.2:1 [::1]:1 10.0.0.3:1 [::2]:1");
        assert_eq!(got, "[::1]:1 10.0.0.1:1 [::2]:1 10.0.0.2:1 10.0.0.3:1");
        assert_eq!(order(""), "");
        assert_eq!(order(&"10.0.0.1:1 ".repeat(100)).split(' ').count(), MOST);
    }
}
