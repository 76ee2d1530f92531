//! `ginnel help URL`.

pub(super) const TEXT: &str = "\
-L says what to listen on, -F what to connect through.

  -L  [SCHEME://] [USER[:PASS]@] [HOST]:PORT[-PORT] [/TARGET[,TARGET]...] [?..]
  -F  [SCHEME://] [USER[:PASS]@] HOST:PORT[,HOST:PORT]...                 [?..]

SCHEME is one word, or two with a plus: what is spoken + what carries it.

  -L handler    auto http socks4 socks5 relay forward     alone: over tcp
  -F connector  http socks4 socks5 relay forward direct   alone: over tcp
  listener and dialer: tcp tls ws wss mws mwss
                        alone on -L: with auto, alone on -F: with http
  No scheme: auto over tcp on -L, http over tcp on -F.

  auto     HTTP, SOCKS4 or SOCKS5, by the client's first byte
  relay    for another ginnel or gost; also carries a fixed target
  forward  bytes as they are, to the targets of the far end
  ws, wss  websocket, wss with TLS; mws, mwss many connections in one

HOST      :PORT alone is every address. [::1] for IPv6. Port 0 is a free one.
PORT      :8000-8009 makes ten services.
TARGET    with one, a service forwards to it and is no proxy. Several targets
          share the connections (strategy=), or go with a range of ports.
HOST,HOST every node needs its port; the nodes share one -F and take turns.
          Each further -F is the next hop.
USER:PASS those who may come in (-L), or what to send (-F). Escape / ? # % @ as
          %2F %3F %23 %25 %40. auth= takes base64 of user:password instead.
          In a URL they show in the list of processes: files are safer.

?OPTION=VALUE&...  each option goes to every part that knows it. A prefix gives
          it to one part: handler. listener. service. on -L,
          connector. dialer. node. hop. on -F, as in listener.keepalive=true.
          Only & separates. Escape % & # + as %25 %26 %23 %2B.

Common options (ginnel help NAME for each, docs/options.md for all):
  -L  certFile= keyFile= path=/ws host= retries=1 readTimeout=15s idleTimeout=1h
  -F  secure=true serverName= caFile= path=/ws host= strategy=fifo maxFails=1
  both  keepalive=true&ttl=15s mux.version=1 enableCompression=true
";
