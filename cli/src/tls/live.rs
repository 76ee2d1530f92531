//! Certificates that can be replaced while they are in use: read again when their files change.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use rustls::sign::CertifiedKey;

use super::{certificate, files, provider};
use crate::config::model::{Tls, TlsOptions};

/// The certificate of some services, as it is now.
#[derive(Debug)]
pub struct Live {
    /// The two files; empty for one that was made here.
    tls: Tls,
    current: RwLock<Arc<CertifiedKey>>,
    watched: Mutex<Watched>,
}

#[derive(Debug, Default)]
struct Watched {
    /// Of the files that `current` was read from.
    loaded: u64,
    /// Files that cannot be used, and whether that was said. Two files are not replaced at the same
    /// moment, so it is said only of what is still there when they are looked at again.
    bad: Option<(u64, bool)>,
}

impl Live {
    pub(super) fn current(&self) -> Arc<CertifiedKey> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.clone()
    }

    /// Looks at the files. What there is to say, if anything: `Ok` has a new certificate in use, with
    /// `Err` the old one stays.
    pub fn look(&self) -> Option<Result<String, String>> {
        if self.tls.cert_file.is_empty() {
            return None;
        }
        let mut watched = locked(&self.watched);
        let found = contents(&self.tls);
        if found == watched.loaded {
            watched.bad = None;
            return None;
        }
        let key = provider(&TlsOptions::default())
            .and_then(|provider| files::certified_key(&self.tls, &provider));
        match key {
            Ok(key) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
                *watched = Watched {
                    loaded: found,
                    bad: None,
                };
                let problem = super::dates(&self.tls).map(|text| format!("; {text}"));
                let text = format!(
                    "certificate {}: changed, used for new connections{}",
                    self.tls.cert_file,
                    problem.unwrap_or_default()
                );
                Some(Ok(text))
            }
            Err(error) => {
                let before = watched.bad.filter(|(seen, _)| *seen == found);
                watched.bad = Some((found, before.is_some()));
                (before == Some((found, false)))
                    .then(|| Err(format!("certificate: kept the old one: {error}")))
            }
        }
    }
}

/// All certificates of the process. Equal files are one certificate, also after a reload, and the one that
/// is made here is made once.
#[derive(Debug, Default)]
pub struct Certificates {
    pairs: Mutex<Vec<Arc<Live>>>,
    made: Mutex<Option<(Tls, Arc<Live>)>>,
}

impl Certificates {
    /// The pair of files must be usable now, also if it is known.
    pub(super) fn files(&self, tls: &Tls) -> Result<Arc<Live>, String> {
        let loaded = contents(tls);
        let key = files::certified_key(tls, &provider(&TlsOptions::default())?)?;
        let same = |one: &&Arc<Live>| {
            (&one.tls.cert_file, &one.tls.key_file) == (&tls.cert_file, &tls.key_file)
        };
        let mut pairs = locked(&self.pairs);
        if let Some(known) = pairs.iter().find(same) {
            return Ok(known.clone());
        }
        let tls = Tls {
            cert_file: tls.cert_file.clone(),
            key_file: tls.key_file.clone(),
            ..Tls::default()
        };
        let live = Arc::new(Live::new(tls, key, loaded));
        pairs.push(live.clone());
        Ok(live)
    }

    pub(super) fn made(&self, tls: &Tls) -> Result<Arc<Live>, String> {
        let mut made = locked(&self.made);
        if let Some((_, live)) = made.as_ref().filter(|(from, _)| from == tls) {
            return Ok(live.clone());
        }
        let key = certificate::generate(tls, &provider(&TlsOptions::default())?)?;
        let live = Arc::new(Live::new(Tls::default(), key, 0));
        *made = Some((tls.clone(), live.clone()));
        Ok(live)
    }
}

impl Live {
    fn new(tls: Tls, key: CertifiedKey, loaded: u64) -> Self {
        Self {
            tls,
            current: RwLock::new(Arc::new(key)),
            watched: Mutex::new(Watched { loaded, bad: None }),
        }
    }
}

/// A number for what is in both files, through links, to see changes by.
fn contents(tls: &Tls) -> u64 {
    let mut hasher = DefaultHasher::new();
    for path in [&tls.cert_file, &tls.key_file] {
        crate::config::text::content(path).hash(&mut hasher);
    }
    hasher.finish()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
