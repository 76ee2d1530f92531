//! What services and chains refer to, and the process with its log.

use super::Form::{Any, Bool, Duration, Int, List, Object, Text, Texts};
use super::parts::AUTH;
use super::{Schema, named, plain};

pub(super) static AUTHER: Schema = named(&[
    ("name", Text),
    ("auths", List(&AUTH)),
    ("reload", Duration),
    ("file", Object(&FILE)),
    ("redis", Any),
    ("http", Any),
    ("plugin", Any),
]);

pub(super) static FILE: Schema = plain(&[("path", Text)]);

pub(super) static MATCHERS: Schema = named(&[
    ("name", Text),
    ("reverse", Bool),
    ("whitelist", Bool),
    ("network", Text),
    ("matchers", Texts),
    ("reload", Duration),
    ("file", Object(&FILE)),
    ("redis", Any),
    ("http", Any),
    ("plugin", Any),
]);

pub(super) static RESOLVER: Schema = named(&[
    ("name", Text),
    ("nameservers", List(&NAME_SERVER)),
    ("plugin", Any),
]);

pub(super) static NAME_SERVER: Schema = plain(&[
    ("addr", Text),
    ("chain", Text),
    ("prefer", Text),
    ("only", Text),
    ("ttl", Duration),
    ("timeout", Duration),
    ("async", Bool),
    ("clientIP", Text),
    ("hostname", Text),
]);

pub(super) static HOSTS: Schema = named(&[
    ("name", Text),
    ("mappings", List(&MAPPING)),
    ("reload", Duration),
    ("file", Object(&FILE)),
    ("redis", Any),
    ("http", Any),
    ("plugin", Any),
]);

pub(super) static MAPPING: Schema = plain(&[("ip", Text), ("hostname", Text), ("aliases", Texts)]);

pub(super) static LIMITER: Schema = named(&[
    ("name", Text),
    ("limits", Texts),
    ("reload", Duration),
    ("file", Object(&FILE)),
    ("redis", Any),
    ("http", Any),
    ("plugin", Any),
]);

pub(super) static LOGGER: Schema = plain(&[("name", Text), ("log", Object(&LOG))]);

pub(super) static LOG: Schema = plain(&[
    ("output", Text),
    ("level", Text),
    ("format", Text),
    ("rotation", Object(&ROTATION)),
]);

pub(super) static ROTATION: Schema = plain(&[
    ("maxSize", Int),
    ("maxAge", Int),
    ("maxBackups", Int),
    ("localTime", Bool),
    ("compress", Bool),
]);

pub(super) static API: Schema = plain(&[
    ("addr", Text),
    ("pathPrefix", Text),
    ("accesslog", Bool),
    ("auth", Object(&AUTH)),
    ("auther", Text),
]);

pub(super) static METRICS: Schema = plain(&[
    ("addr", Text),
    ("path", Text),
    ("auth", Object(&AUTH)),
    ("auther", Text),
]);

pub(super) static PROFILING: Schema = plain(&[("addr", Text)]);

/// A section that is not served: every key is kept, none is checked.
pub static ANYTHING: Schema = plain(&[]);
