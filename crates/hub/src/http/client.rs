//! Who asks the hub, and the connections to it.

use crate::Error;
use crate::settings::{Event, Settings};
use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use ureq::Agent;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

/// Names become folders: those that are here, those in the cache, those on the hub.
///
/// Nothing is looked up, and no connection opened, before a name is asked for that is not a path.
pub struct Hub {
    pub(crate) settings: Settings,
    pub(crate) notify: Box<dyn Fn(Event<'_>) + Send + Sync>,
    agent: OnceLock<Agent>,
}

impl Hub {
    /// `notify` is told what happens, while it happens.
    pub fn new(settings: Settings, notify: impl Fn(Event<'_>) + Send + Sync + 'static) -> Hub {
        Hub { settings, notify: Box::new(notify), agent: OnceLock::new() }
    }

    pub(crate) fn agent(&self) -> Result<&Agent, Error> {
        match self.agent.get() {
            Some(agent) => Ok(agent),
            None => {
                let agent = open(&self.settings)?;
                Ok(self.agent.get_or_init(|| agent))
            }
        }
    }
}

fn open(settings: &Settings) -> Result<Agent, Error> {
    let roots = match &settings.certificates {
        None => RootCerts::WebPki,
        Some(file) => certificates(file)?,
    };
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .user_agent(concat!("tagsmith/", env!("CARGO_PKG_VERSION")))
        // Sizes and offsets are those of the file, not of a packed copy.
        .accept_encoding("identity")
        .timeout_resolve(Some(settings.timeout))
        .timeout_connect(Some(settings.timeout))
        .timeout_per_read(Some(settings.timeout))
        .timeout_per_write(Some(settings.timeout))
        .tls_config(TlsConfig::builder().root_certs(roots).build());
    Ok(config.build().new_agent())
}

fn certificates(file: &Path) -> Result<RootCerts, Error> {
    let text = fs::read(file).map_err(Error::open(file))?;
    let mut found = Vec::new();
    for item in parse_pem(&text) {
        match item {
            Ok(PemItem::Certificate(certificate)) => found.push(certificate),
            Ok(_) => {}
            Err(error) => {
                return Err(Error::path(file.display(), format!("this is not a PEM file ({error}): correct it")));
            }
        }
    }
    if found.is_empty() {
        return Err(Error::path(file.display(), "it holds no certificate: name a PEM file that does"));
    }
    Ok(RootCerts::new_with_certs(&found))
}
