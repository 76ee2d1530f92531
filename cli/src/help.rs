//! What `-h` and `-V` print.

/// Fits a terminal of 24 lines and 80 columns.
pub const HELP: &str = "\
usage: ginnel -L SERVICE... [-F NODE...] | -C FILE...
  -L [HANDLER+]LISTENER://[USER:PASS@][HOST]:PORT[/TARGET,...][?OPTION=VALUE&..]
  -F [CONNECTOR+]DIALER://[USER:PASS@]HOST:PORT,...[?OPTION=VALUE&..]
  HANDLER, CONNECTOR  auto http socks4 socks5 relay forward; LISTENER, DIALER
                      tcp tls ws wss mws mwss. One word alone: auto, http, tcp
  -C FILE|-|{JSON}    configuration, YAML or JSON; may be repeated
  -O yaml|json        print the configuration and exit
  -D, -DD             log level debug, trace       -V, -h  version, this help
  --strict            unknown keys and options are errors
  --threads N         number of threads (default: cores)
  --runtime smol|mio  event loop (default: smol)
  -api, -metrics ADDR, -R TIME   accepted, not supported yet
options: path=/ws host= keepAlive=true&ttl=15s enableCompression=true
  certFile= keyFile= caFile= secure=true serverName= mux.version=1 retries=1
  strategy=round|random|fifo|hash maxFails=1 failTimeout=30s   (quote the &)
examples:
  ginnel -L :8080                              HTTP and SOCKS proxy
  ginnel -L \"relay+mwss://u:p@:443?certFile=c.pem&keyFile=k.pem\"      far end
  ginnel -L :1080 -F \"relay+mwss://u:p@example.com:443?secure=true\"   near end
  ginnel -L wss://:8443/:22                    a port behind a websocket
  ginnel -L tcp://:2222 -F forward+wss://example.com:8443             its client
  ginnel -C config.yml
";

/// One line, after gost's.
pub fn version() -> String {
    format!(
        "ginnel {} ({}/{})",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_fits_a_small_terminal() {
        assert!(HELP.lines().count() <= 24, "{} lines", HELP.lines().count());
        for line in HELP.lines() {
            assert!(line.len() <= 80, "{} columns: {line}", line.len());
        }
    }
}
