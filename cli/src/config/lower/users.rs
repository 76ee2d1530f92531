//! Who may use a service.

use ginnel_core::plan::{SkipAuth, Users};
use ginnel_core::route::Net;

use super::Lowering;
use crate::config::options::Options;
use crate::config::{model, text};

impl Lowering<'_> {
    /// Named authers replace `auth`; without either everybody may come in.
    pub(super) fn users(&mut self, model: &model::Handler, at: &str) -> Option<Users> {
        let names: Vec<_> = model.auther_names().collect();
        if !names.is_empty() {
            let mut users = Vec::new();
            for auther in self
                .config
                .authers
                .iter()
                .filter(|one| names.contains(&one.name.as_str()))
            {
                users.extend(self.auther(auther));
            }
            return Some(Users(users));
        }
        let auth = model.auth.as_ref()?;
        if !auth.file.is_empty() && auth.username.is_empty() {
            let text = "handler.auth.file is not used to check clients: use an auther with a file";
            self.findings.error(at, text);
            return Some(Users::default());
        }
        if auth.username.is_empty() {
            self.findings
                .unsafe_use(at, "no user name, so no authentication takes place");
            return None;
        }
        Some(Users(self.user(auth, at).into_iter().collect()))
    }

    fn auther(&mut self, auther: &model::Auther) -> Vec<(String, String)> {
        let mut users = Vec::new();
        for auth in &auther.auths {
            users.extend(self.user(auth, &auther.origin));
        }
        let path = auther
            .rest
            .get("file")
            .and_then(|file| file.get("path")?.as_str());
        let Some(path) = path else { return users };
        match text::file(path) {
            Ok(text) => {
                for (user, password) in user_lines(&text) {
                    // A user of the file replaces the same user of the configuration.
                    users.retain(|(name, _)| *name != user);
                    users.push((user, password));
                }
            }
            Err(error) => self
                .findings
                .error(&auther.origin, format_args!("file {error}")),
        }
        users
    }

    fn user(&mut self, auth: &model::Auth, at: &str) -> Option<(String, String)> {
        if auth.username.is_empty() {
            return None;
        }
        if auth.password.is_empty() {
            let text = format_args!(
                "user {:?} has no password: any password is accepted",
                auth.username
            );
            self.findings.unsafe_use(at, text);
        }
        Some((auth.username.clone(), auth.password.clone()))
    }

    /// `skipauth`: a list, or text with commas.
    pub(super) fn skip_auth(&mut self, options: &Options<'_>, at: &str) -> SkipAuth {
        let mut nets = Vec::new();
        for text in options.texts("skipauth") {
            match Net::parse(&text) {
                Some(net) => nets.push(net),
                None => {
                    let text =
                        format_args!("skipauth: expected an address or a network, got {text:?}");
                    self.findings.error(at, text);
                }
            }
        }
        SkipAuth(nets)
    }
}

/// `user password` a line; lines that start with # are comments.
pub(super) fn user_lines(text: &str) -> impl Iterator<Item = (String, String)> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (user, password) = line.split_once([' ', '\t']).unwrap_or((line, ""));
            (user.to_owned(), password.trim().to_owned())
        })
}
